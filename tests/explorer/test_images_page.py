"""The images page runs, without a browser: what it says for good and for bad input, and what clicks do."""

import json
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from streamlit.testing.v1 import AppTest

from influence import datasets, homes, results
from tests.explorer.pages import address, click, grid, ids, open_page, texts, warnings

STORY = 1628  # the shipped result's best explained mistake: a 4 that the models call 8
OTHER = 21
GALLERY, HELPED, HURT = "Gallery of test images", "Helped", "Hurt"


def digits_page(**link: str) -> AppTest:
    """By the link: which data set opens without one depends on what there are results on."""
    return open_page("images", data="digits", **link)


def drawn(app: AppTest, role: str) -> dict[str, Any]:
    """What a drawing was given to show, and its marks as elements."""
    for element in app.get("bidi_component"):
        data = json.loads(element.proto.json)
        if "svg" in data and (svg := ElementTree.fromstring(data["svg"])).get("role") == role:
            return {"proto": element.proto, "marks": svg.findall(".//*[@class='mark']"), **data}
    raise KeyError(role)


def deliver(app: AppTest, component: dict[str, Any], value: object, event: str = "clicked") -> AppTest:
    """Deliver what a component sends, as the browser does (AppTest knows no components of this kind)."""
    states = app._tree.get_widget_states()
    widget = states.widgets.add()
    widget.id = f"$$STREAMLIT_INTERNAL_KEY_{component['proto'].id}__events"
    widget.json_trigger_value = json.dumps([{"event": event, "value": value}])
    return app._run(states)


def press(app: AppTest, label: str) -> AppTest:
    return next(button for button in app.button if button.label == label).click().run()


def segments(app: AppTest, key: str) -> Any:
    return next(group for group in app.get("button_group") if group.key == key)


def test_it_opens_on_a_mistake_and_says_how_far_to_trust_it() -> None:
    app = digits_page()
    assert not app.exception
    assert warnings(app) == ""
    said = texts(app)
    assert f"Test image {STORY}" in said
    assert "The models say **8**" in said
    assert "linear datamodeling score, LDS; 95% interval" in said
    assert "What it does not say" in said
    assert "Predicted, not measured" in said
    assert ids(app, GALLERY)[0] == grid(app, GALLERY)["selected"] == STORY
    assert len(ids(app, GALLERY)) == 9  # the mistakes
    assert len(ids(app, HELPED)) == len(ids(app, HURT)) == 5
    assert address(app) == {"data": "digits"}


def test_both_sides_have_one_scale() -> None:
    app = digits_page()
    both = [grid(app, side) for side in (HELPED, HURT)]
    largest = max(abs(item["score"]) for side in both for item in side["items"])
    assert [side["scale"] for side in both] == [largest, largest]


def test_a_click_picks_and_another_walks_and_walks_back() -> None:
    app = digits_page(show="all")
    click(app, GALLERY, ids(app, GALLERY)[3])
    picked = address(app)["image"]
    assert f"Test image {picked}" in texts(app)
    train = ids(app, HELPED)[0]
    click(app, HELPED, train)
    assert not app.exception
    assert f"Training image {train}" in texts(app)
    assert (address(app)["image"], address(app)["train"]) == (picked, str(train))
    assert int(picked) in ids(deliver(app, grid(app, HELPED), True, "more"), HELPED) + ids(app, HURT)
    back = ids(app, HELPED)[0]
    click(app, HELPED, back)
    assert f"Test image {back}" in texts(app)
    click(app, HURT, ids(app, HURT)[3])
    press(app, f"Back to test image {back}")
    assert f"Test image {back}" in texts(app)
    assert "train" not in address(app)


def test_all_that_are_kept_are_a_click_away() -> None:
    app = digits_page(image=str(OTHER))
    assert grid(app, HELPED)["heading"]["more"] == "Show all 50"
    deliver(app, grid(app, HELPED), True, "more")
    assert address(app)["k"] == "50"
    assert len(ids(app, HELPED)) == len(ids(app, HURT)) == 50
    deliver(app, grid(app, HURT), True, "more")
    assert "k" not in address(app)
    assert len(ids(app, HURT)) == 5


@pytest.mark.parametrize(("size", "columns"), [("small", 6), ("large", 4)])
def test_pictures_have_a_size_and_a_row_is_full(size: str, columns: int) -> None:
    app = digits_page(size=size)
    assert len(ids(app, HELPED)) == grid(app, HELPED)["columns"] == columns


def test_filters_sort_and_pages() -> None:
    app = digits_page()
    segments(app, "show").set_value("all").run()
    assert len(ids(app, GALLERY)) == 25
    assert "1 to 25 of 360" in texts(app)
    app.selectbox(key="class").set_value("3").run()
    shown = ids(app, GALLERY)
    digits = datasets.load("digits")
    label = dict(zip(digits.test.index.tolist(), digits.test.labels.tolist(), strict=True))
    assert {label[index] for index in shown} == {3}
    app.selectbox(key="sort").set_value("lowest margin first").run()
    assert ids(app, GALLERY) != shown
    assert {label[index] for index in ids(app, GALLERY)} == {3}
    app.selectbox(key="predicted").set_value("0").run()
    assert "No test image passes these filters" in app.info[0].value


def test_chips_and_options_count_what_they_leave() -> None:
    app = digits_page(show="all", **{"class": "8"})
    result = results.read(homes.precomputed_home() / "digits" / "datamodels").targets
    eights = result[result["label"] == 8]
    wrong = int((eights["prediction"] != 8).sum())
    assert list(segments(app, "show").options)[:2] == [
        f"All :gray[{len(eights)}]",
        f"Mistakes :gray[{wrong}]",
    ]


def test_a_filter_that_shortens_the_gallery_goes_back_to_its_first_page() -> None:
    app = digits_page(show="all", page="12")
    assert ids(app, GALLERY)[0] > 1000
    segments(app, "show").set_value("mistakes").run()
    assert not app.exception
    assert warnings(app) == ""
    assert len(ids(app, GALLERY)) == 9


def test_a_link_holds_every_choice() -> None:
    link = {"image": str(OTHER), "k": "3", "remove": "5", "sort": "best explained first", "page": "2", "class": "1"}
    app = digits_page(show="all", **link)
    assert warnings(app) == ""
    assert f"Test image {OTHER}" in texts(app)
    assert len(ids(app, HELPED)) == 3
    assert app.select_slider(key="remove").value == 5
    assert [metric.label for metric in app.metric][:2] == ["5 that helped", "5 at random"]
    assert "Training image 0" in texts(digits_page(train="0"))


@pytest.mark.parametrize(("link", "shown"), [({"mistakes": "true"}, "mistakes"), ({}, "all"), ({"page": "2"}, "all")])
def test_links_of_older_versions_show_what_they_did(link: dict[str, str], shown: str) -> None:
    app = digits_page(**link, **{"class": "8"})
    assert warnings(app) == ""
    assert segments(app, "show").value == shown


def test_a_filter_keeps_the_chip() -> None:
    app = digits_page()
    app.selectbox(key="class").set_value("8").run()
    assert segments(app, "show").value == "mistakes"
    app.selectbox(key="sort").set_value("index").run()
    segments(app, "show").set_value("all").run()
    assert segments(app, "show").value == "all"
    app.selectbox(key="class").set_value("all").run()
    assert segments(app, "show").value == "all"


def test_a_link_to_another_shipped_result() -> None:
    app = digits_page(result="shipped-lasso", image=str(OTHER))
    assert not app.exception
    assert warnings(app) == ""
    assert "· lasso ·" in texts(app)
    assert f"Test image {OTHER}" in texts(app)


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ({"image": "99999"}, "image=99999"),
        ({"image": "seven"}, "image=seven"),
        ({"image": "1e3"}, "image=1e3"),
        ({"image": "0"}, "training image: only test images are explained"),
        ({"train": "21"}, "is a test image, not one that models were trained on"),
        ({"train": "x"}, "train=x"),
        ({"k": "0"}, "1 to 50 either way"),
        ({"class": "ten"}, "class=ten"),
        ({"predicted": "ten"}, "predicted=ten"),
        ({"lds": "good"}, "lds=good"),
        ({"margin": ["5", "1"]}, "margin=5 and margin=1"),
        ({"margin": "1e999"}, "margin=1e999"),
        ({"sort": "none"}, "sort=none"),
        ({"show": "gone"}, "show=gone"),
        ({"size": "huge"}, "size=huge"),
        ({"view": "globe"}, "view=globe"),
        ({"page": "99"}, "there are 15 pages"),
        ({"remove": "9999"}, "remove=9999"),
        ({"bar": "60"}, "no such bar"),
        ({"result": "gone"}, "result=gone"),
    ],
)
def test_a_bad_link_falls_back_with_a_message(link: dict[str, Any], message: str) -> None:
    app = digits_page(**link)
    assert not app.exception
    assert message in warnings(app)
    assert f"Test image {STORY}" in texts(app)


def test_a_link_to_no_data_set_opens_the_first() -> None:
    app = open_page("images", data="cifar11")
    assert not app.exception
    assert "data=cifar11" in warnings(app)
    assert ids(app, GALLERY)


def test_a_bar_shows_its_images_until_it_or_another_image_is_clicked() -> None:
    app = digits_page(image=str(OTHER))
    strongest = ids(app, HELPED)[0]
    bars = drawn(app, "listbox")
    (last,) = [mark.get("data-id") for mark in bars["marks"] if mark.get("data-id") == "59"]
    deliver(app, bars, int(last))
    assert strongest in ids(app, "Training images of this bar")
    assert drawn(app, "listbox")["selected"] == 59
    assert address(app)["bar"] == "59"
    deliver(app, drawn(app, "listbox"), 59)
    with pytest.raises(KeyError):
        grid(app, "Training images of this bar")
    deliver(app, drawn(app, "listbox"), 59)
    click(app, GALLERY, ids(app, GALLERY)[5])
    assert not app.exception
    assert drawn(app, "listbox")["selected"] is None


def test_the_removal_curve_tells_its_values() -> None:
    app = digits_page(image=str(OTHER), remove="5")
    curve = drawn(app, "img")
    shown = ElementTree.fromstring(curve["svg"])
    without, at_random = (app.metric[place].value.replace("−", "-") for place in (0, 1))
    assert f"{without} without the 5 that helped most" in str(shown.get("aria-label"))
    said = ["".join(mark.itertext()) for mark in curve["marks"]]
    assert f"5 removed: margin {without}, at random {at_random}" in said
    assert len(said) == len(app.select_slider(key="remove").options)


def test_random_next_and_previous_stay_among_what_passes() -> None:
    app = digits_page(mistakes="true")
    mistakes = ids(app, GALLERY)
    press(app, "Random")
    assert app.number_input(key="image").value in mistakes
    app = digits_page(image=str(mistakes[2]))
    app.button(key="Next image").click().run()
    assert address(app)["image"] == str(mistakes[3])
    app.button(key="Previous image").click().run()
    assert address(app)["image"] == str(mistakes[2])


# --- the confusion matrix -------------------------------------------------------------------------------------------


def test_a_cell_shows_its_images_and_its_culprits() -> None:
    app = digits_page(view="confusion")
    matrix = grid(app, "Confusion matrix")
    assert sum(map(sum, matrix["counts"])) == 360
    own, said = divmod(matrix["selected"], 10)
    assert matrix["counts"][own][said] == max(
        matrix["counts"][i][j] for i in range(10) for j in range(10) if i != j
    )  # it opens on the most frequent mistake
    deliver(app, matrix, 44)
    assert not app.exception
    assert (address(app)["class"], address(app)["predicted"]) == ("4", "4")
    assert f"**{matrix['counts'][4][4]} of " in texts(app)
    deliver(app, grid(app, "Confusion matrix"), 48)
    assert "that the models call “8”" in texts(app)
    assert STORY in ids(app, "Some images of this cell")
    assert len(ids(app, "Culprits")) == 10
    assert all(item["score"] < 0 for item in grid(app, "Culprits")["items"])
    culprit = ids(app, "Culprits")[0]
    click(app, "Culprits", culprit)
    assert f"Training image {culprit}" in texts(app)
    app = digits_page(view="confusion", predicted="8", **{"class": "4"})
    press(app, next(button.label for button in app.button if button.label.startswith("See all")))
    assert STORY in ids(app, GALLERY)
    assert "view" not in address(app)


def test_an_image_of_a_cell_opens_and_leads_back() -> None:
    app = digits_page(view="confusion", predicted="8", **{"class": "4"})
    click(app, "Some images of this cell", STORY)
    assert f"Test image {STORY}" in texts(app)
    assert grid(app, "Confusion matrix")["selected"] == 48
    press(app, "Back to 4 → 8")
    assert ids(app, "Culprits")
    assert "image" not in address(app)


def test_a_frequent_mistake_is_a_chip() -> None:
    app = digits_page(view="confusion")
    chips = segments(app, "frequent mistakes")
    assert chips.value == "4 → 8"
    chips.set_value("8 → 1").run()
    assert (address(app)["class"], address(app)["predicted"]) == ("8", "1")
    assert grid(app, "Confusion matrix")["selected"] == 81


# --- what is missing ------------------------------------------------------------------------------------------------


def own_result(name: str) -> Path:
    home = homes.results_home()
    home.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copytree(homes.precomputed_home() / "digits" / "datamodels", home / name))


def test_a_damaged_result_says_so() -> None:
    path = own_result("mine") / "reverse.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    app = digits_page(result="mine")
    assert not app.exception
    assert "reverse.parquet is damaged" in app.error[0].value.replace("\\", "")
    app.selectbox(key="result").set_value("shipped").run()
    assert f"Test image {STORY}" in texts(app)


def test_without_pixels_classes_and_scores_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "is_present", lambda name: False)
    app = digits_page()
    assert not app.exception
    assert "is not on this machine" in app.info[0].value
    item = grid(app, HELPED)["items"][0]
    assert item["pictures"] == [None]
    assert item["stand_in"] == "4"
    assert item["number"].startswith("+")


# --- the other method -----------------------------------------------------------------------------------------------


def test_tracin_is_shown_in_its_own_words() -> None:
    app = digits_page(method="tracin", image=str(OTHER))
    assert not app.exception
    assert warnings(app) == ""
    said = texts(app)
    for words in ("The model says", "no parts of the margin", "summed over the checkpoints", "0.271"):
        assert words in said
    for words in ("The models say", "Predicted, not measured"):
        assert words not in said
    assert "highest loss first" in [option.casefold() + " first" for option in app.selectbox(key="sort").options]
    shown = results.read(homes.precomputed_home() / "digits" / "tracin")
    assert ids(app, HELPED) == shown.of(OTHER).set_index("rank").loc[range(1, 6), "train"].tolist()
    train = ids(app, HURT)[0]
    click(app, HURT, train)
    assert not app.exception
    assert "Self-influence" in texts(app)
    assert ids(app, HURT) == shown.by(train).set_index("rank").loc[range(-1, -6, -1), "target"].tolist()


def test_tracin_that_was_not_evaluated_says_so(results_home: Path) -> None:
    shipped = homes.precomputed_home() / "digits" / "tracin"
    shutil.copytree(shipped, results_home / "bare", ignore=shutil.ignore_patterns("evidence"))
    app = digits_page(method="tracin", result="bare", image=str(OTHER))
    assert not app.exception
    assert "Not evaluated" in texts(app)
    assert "Trust for this image" not in texts(app)


def test_methods_are_switched_on_the_same_image() -> None:
    app = digits_page(image=str(OTHER), sort="smallest data support first", lds="below 0.3")
    segments(app, "method").set_value("tracin").run()
    assert not app.exception
    assert f"Test image {OTHER}" in texts(app)
    assert "The model says" in texts(app)
    segments(app, "method").set_value("datamodels").run()
    assert not app.exception
    assert "Trust for this image" in texts(app)


def test_a_link_to_no_method_opens_the_first() -> None:
    app = digits_page(method="guesses")
    assert not app.exception
    assert "method=guesses" in warnings(app)
    assert f"Test image {STORY}" in texts(app)
