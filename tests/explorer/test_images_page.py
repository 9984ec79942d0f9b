"""The images page runs, without a browser: what it says for good and for bad input, and what clicks do."""

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
from streamlit.testing.v1 import AppTest

from influence import datasets, homes, results

APP = Path(__file__).parents[2] / "app.py"
STORY = 1628  # the shipped result's best explained mistake: a 4 that the models call 8
OTHER = 21


def images_page(**link: str) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=60)
    app.switch_page("pages/images.py")
    for name, value in link.items():
        app.query_params[name] = value
    return app.run()


def digits_page(**link: str) -> AppTest:
    """By the link: which data set opens without one depends on what there are results on."""
    return images_page(data="digits", **link)


def drawn(app: AppTest, role: str) -> dict:  # type: ignore[type-arg]
    """What a drawing was given to show, and its marks as elements."""
    for element in app.get("bidi_component"):
        data = json.loads(element.proto.json)
        if "svg" in data and (svg := ElementTree.fromstring(data["svg"])).get("role") == role:
            return {"proto": element.proto, "marks": svg.findall(".//*[@class='mark']"), **data}
    raise KeyError(role)


def grid(app: AppTest, label: str) -> dict:  # type: ignore[type-arg]
    """What a grid was given to show."""
    for element in app.get("bidi_component"):
        data = json.loads(element.proto.json)
        if data.get("label") == label:
            return {"proto": element.proto, **data}
    raise KeyError(label)


def ids(app: AppTest, label: str) -> list[int]:
    return [item["id"] for item in grid(app, label)["items"]]


def click(app: AppTest, label: str, index: int) -> AppTest:
    """Click an image of a grid."""
    return deliver(app, grid(app, label), index)


def deliver(app: AppTest, component: dict, index: int) -> AppTest:  # type: ignore[type-arg]
    """Deliver a click as the browser does (AppTest knows no components of this kind)."""
    states = app._tree.get_widget_states()
    widget = states.widgets.add()
    widget.id = f"$$STREAMLIT_INTERNAL_KEY_{component['proto'].id}__events"
    widget.json_trigger_value = json.dumps([{"event": "clicked", "value": index}])
    return app._run(states)


def texts(app: AppTest) -> str:
    return " ".join(element.value for kind in (app.markdown, app.caption, app.subheader) for element in kind)


def warnings(app: AppTest) -> str:
    return " ".join(element.value for element in app.warning)


def test_the_first_page_leads_here() -> None:
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    assert not app.exception
    assert "Why did the model say that?" in texts(app)


def test_it_opens_on_a_mistake_and_says_how_far_to_trust_it() -> None:
    app = digits_page()
    assert not app.exception
    assert warnings(app) == ""
    said = texts(app)
    assert f"Test image {STORY}" in said
    assert "the models say :orange[**8**, wrong ✗]" in said
    assert "360 of 360 test images" in said
    assert "linear datamodeling score, LDS; 95% interval" in said
    assert "What it does not say" in said
    assert "Predicted, not measured" in said
    assert len(ids(app, "Gallery of test images")) == 30
    assert len(ids(app, "Most positive training images")) == len(ids(app, "Most negative training images")) == 10


def test_a_click_picks_and_another_walks_and_walks_back() -> None:
    app = digits_page()
    click(app, "Gallery of test images", OTHER)
    assert f"Test image {OTHER}" in texts(app)
    train = ids(app, "Most positive training images")[0]
    click(app, "Most positive training images", train)
    assert not app.exception
    assert f"Training image {train}" in texts(app)
    helped = ids(app, "Test images helped most")
    assert OTHER in helped + ids(app, "Test images hurt most")
    back = helped[0]
    click(app, "Test images helped most", back)
    assert f"Test image {back}" in texts(app)
    click(app, "Most negative training images", ids(app, "Most negative training images")[3])
    next(button for button in app.button if button.label == f"Back to test image {back}").click().run()
    assert f"#### Test image {back}" in texts(app)


def test_filters_sort_and_pages() -> None:
    app = digits_page()
    app.toggle(key="mistakes").set_value(True).run()
    assert "**9 of 360 test images**, 0 right and 9 wrong" in texts(app)
    assert len(ids(app, "Gallery of test images")) == 9
    app.toggle(key="mistakes").set_value(False).run()
    app.selectbox(key="class").set_value("3").run()
    shown = ids(app, "Gallery of test images")
    digits = datasets.load("digits")
    label = dict(zip(digits.test.index.tolist(), digits.test.labels.tolist(), strict=True))
    assert {label[index] for index in shown} == {3}
    app.selectbox(key="sort").set_value("lowest margin first").run()
    assert ids(app, "Gallery of test images") != shown
    assert set(ids(app, "Gallery of test images")) <= {index for index in label if label[index] == 3}
    app.selectbox(key="predicted").set_value("0").run()
    assert "No test image passes these filters" in app.info[0].value


def test_a_filter_that_shortens_the_gallery_goes_back_to_its_first_page() -> None:
    app = digits_page(page="12")
    assert ids(app, "Gallery of test images")[0] > 1000
    app.toggle(key="mistakes").set_value(True).run()
    assert not app.exception
    assert len(ids(app, "Gallery of test images")) == 9


def test_a_link_holds_every_choice() -> None:
    app = digits_page(image=str(OTHER), k="3", remove="5", sort="best explained first", page="2", **{"class": "1"})
    assert warnings(app) == ""
    assert f"Test image {OTHER}" in texts(app)
    assert len(ids(app, "Most positive training images")) == 3
    assert app.select_slider(key="remove").value == 5
    assert [metric.label for metric in app.metric][:2] == ["5 most positive", "5 at random"]
    assert "Training image 0" in texts(digits_page(train="0"))


def test_a_link_to_another_shipped_result() -> None:
    app = digits_page(result="shipped-lasso", image=str(OTHER))
    assert not app.exception
    assert warnings(app) == ""
    assert app.selectbox(key="result").options[:2] == ["shipped", "shipped-lasso"]
    assert "· lasso ·" in texts(app)
    assert f"Test image {OTHER}" in texts(app)
    assert field(app, "Estimator").value == "lasso"
    assert not [button for button in app.button if button.label == "Rename"]


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ({"image": "99999"}, "The link asks for image=99999"),
        ({"image": "seven"}, "The link asks for image=seven"),
        ({"image": "0"}, "Image 0 is a training image: only test images are explained"),
        ({"train": "21"}, "Image 21 is a test image, not one that models were trained on"),
        ({"train": "x"}, "The link asks for train=x"),
        ({"k": "0"}, "this result shows 1 to 50 either way"),
        ({"class": "ten"}, "The link asks for class=ten"),
        ({"predicted": "ten"}, "The link asks for predicted=ten"),
        ({"lds": "good"}, "The link asks for lds=good"),
        ({"sort": "none"}, "The link asks for sort=none"),
        ({"page": "99"}, "there are 12 pages"),
        ({"remove": "9999"}, "The link asks for remove=9999"),
        ({"result": "gone"}, "The link asks for result=gone"),
    ],
)
def test_a_bad_link_falls_back_with_a_message(link: dict[str, str], message: str) -> None:
    app = digits_page(**link)
    assert not app.exception
    assert message in warnings(app)
    assert f"Test image {STORY}" in texts(app)


def test_a_link_to_no_data_set_opens_the_first() -> None:
    app = images_page(data="cifar11")
    assert not app.exception
    assert "The link asks for data=cifar11" in warnings(app)
    assert "Gallery of test images" in {json.loads(each.proto.json).get("label") for each in app.get("bidi_component")}


def test_a_bar_shows_its_images_until_it_or_another_image_is_clicked() -> None:
    app = digits_page(image=str(OTHER))
    strongest = ids(app, "Most positive training images")[0]
    bars = drawn(app, "listbox")
    assert [bar.get("data-id") for bar in bars["marks"]] == [str(place) for place in range(60)]
    last = deliver(app, bars, 59)
    assert strongest in ids(last, "Training images of this bar")
    assert drawn(last, "listbox")["selected"] == 59
    with pytest.raises(KeyError):
        grid(deliver(last, drawn(last, "listbox"), 59), "Training images of this bar")
    empty = next(place for place, bar in enumerate(bars["marks"]) if "none of them" in str(bar.get("aria-label")))
    assert "this bar has no image to show" in texts(deliver(app, drawn(app, "listbox"), empty))
    click(app, "Gallery of test images", ids(app, "Gallery of test images")[5])
    assert not app.exception
    assert drawn(app, "listbox")["selected"] is None


def test_the_removal_curve_tells_its_values() -> None:
    app = digits_page(image=str(OTHER), remove="5")
    curve = drawn(app, "img")
    shown = ElementTree.fromstring(curve["svg"])
    assert f"{app.metric[0].value} without the 5 most positive" in str(shown.get("aria-label"))
    said = ["".join(mark.itertext()) for mark in curve["marks"]]
    assert f"5 removed: margin {app.metric[0].value}, at random {app.metric[1].value}" in said
    assert len(said) == len(app.select_slider(key="remove").options)


def test_random_picks_among_what_is_shown() -> None:
    app = digits_page(mistakes="true")
    mistakes = ids(app, "Gallery of test images")
    next(button for button in app.button if button.label == "Random").click().run()
    assert app.number_input(key="image").value in mistakes


def test_thumbnails_are_those_of_their_indices_in_any_order() -> None:
    app = digits_page(sort="highest margin first", **{"class": "5"})
    images = {item["id"]: item["src"] for item in grid(app, "Gallery of test images")["items"]}
    for item in grid(digits_page(), "Gallery of test images")["items"]:
        assert images.get(item["id"], item["src"]) == item["src"]
    assert len(set(images.values())) == len(images)


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
    assert "reverse.parquet is damaged" in app.error[0].value
    app.selectbox(key="result").set_value("shipped").run()
    assert f"Test image {STORY}" in texts(app)


def test_without_pixels_classes_and_weights_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "is_present", lambda name: False)
    app = digits_page()
    assert not app.exception
    assert "The pixels of digits are not on this machine" in app.info[0].value
    item = grid(app, "Most positive training images")["items"][0]
    assert item["src"] is None
    assert item["stand_in"] == "4"
    assert item["lines"][0].startswith("+")


def test_a_run_asks_for_what_the_form_says(monkeypatch: pytest.MonkeyPatch) -> None:
    from influence.explorer import panel

    started: list[list[str]] = []
    monkeypatch.setattr(panel, "start", lambda arguments, name: started.append(arguments))
    app = digits_page()
    next(button for button in app.button if button.label == "Start run").click().run()
    next(button for button in app.button if button.label == "Add 1,000 more to this result").click().run()
    first, second = started
    assert first[:3] == ["datamodels", "run", "digits"]
    assert first[first.index("--models") + 1] == "1000"
    assert second[second.index("--models") + 1] == "6000"
    assert [each if each != "1000" else "6000" for each in first] == second


def field(app: AppTest, label: str):  # type: ignore[no-untyped-def]
    (found,) = (each for each in (*app.number_input, *app.selectbox, *app.text_input) if each.label == label)
    return found


def test_each_estimator_has_its_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    from influence.explorer import panel

    started: list[list[str]] = []
    monkeypatch.setattr(panel, "start", lambda arguments, name: started.append(arguments))
    own = {"Lambdas", "Ratio", "Penalty", "Penalties", "Prior models"}
    app = digits_page()

    def start(estimator: str, **values: object) -> tuple[set[str], set[str]]:
        """The widgets that are there, and what the run is told of the estimator."""
        field(app, "Estimator").set_value(estimator).run()
        shown = own & {each.label for each in (*app.number_input, *app.selectbox, *app.text_input)}
        for label, value in values.items():
            field(app, label.replace("_", " ")).set_value(value)
        next(button for button in app.button if button.label == "Start run").click().run()
        assert not app.exception
        last = started[-1]
        assert last[last.index("--estimator") + 1] == estimator
        return shown, {last[place + 1] for place, each in enumerate(last) if each == "--estimator-setting"}

    assert start("lasso", Lambdas=30) == ({"Lambdas", "Ratio"}, {"lambdas=30"})
    assert start("ridge") == ({"Penalty", "Penalties"}, set())
    assert start("ridge", Penalty="target", Penalties="0.5")[1] == {"choose=target", "penalties=[0.5]"}
    assert start("difference-in-means") == (set(), set())
    assert start("prior-informed", Prior_models=3) == ({"Penalty", "Penalties", "Prior models"}, set())
    assert started[-1][started[-1].index("--prior-models") + 1] == "3"


def test_the_settings_of_a_result_are_where_its_form_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    from influence.explorer import panel

    started: list[list[str]] = []
    monkeypatch.setattr(panel, "start", lambda arguments, name: started.append(arguments))
    path = own_result("mine") / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["config"] |= {"estimator": "ridge", "settings": {"penalties": [0.25]}}
    path.write_bytes(results.to_bytes(manifest))
    app = digits_page(result="mine")
    assert field(app, "Estimator").value == "ridge"
    assert field(app, "Penalties").value == "0.25"
    for label in ("Start run", "Add 1,000 more to this result"):
        next(button for button in app.button if button.label == label).click().run()
    assert "penalties=[0.25]" in started[0]
    assert "penalties=[0.25]" in started[1]
    field(app, "Penalties").set_value("")
    next(button for button in app.button if button.label == "Start run").click().run()
    assert "penalties=null" in started[2]


# The other method


def test_tracin_is_shown_in_its_own_words() -> None:
    app = digits_page(method="tracin", image=str(OTHER))
    assert not app.exception
    assert warnings(app) == ""
    said = texts(app)
    for words in (
        "**+ Proponents**",
        "**− Opponents**",
        "at the last checkpoint",
        "What a score says",
        "0.271",
    ):
        assert words in said
    for words in ("weights", "Predicted, not measured", "majority vote"):
        assert words not in said
    assert not app.metric
    assert "highest loss first" in field(app, "Sort by").options
    assert not [button for button in app.button if button.label == "Start run"]
    assert "score" in grid(app, "Most positive training images")["items"][0]["alt"]
    shown = results.read(homes.precomputed_home() / "digits" / "tracin")
    proponents = shown.of(OTHER).set_index("rank").loc[range(1, 11), "train"].tolist()
    assert ids(app, "Most positive training images") == proponents
    train = ids(app, "Most negative training images")[0]
    click(app, "Most negative training images", train)
    assert not app.exception
    assert "Self-influence" in texts(app)
    hurt = shown.by(train).set_index("rank").loc[range(-1, -11, -1), "target"].tolist()
    assert ids(app, "Test images hurt most") == hurt


def test_tracin_that_was_not_evaluated_says_so(results_home: Path) -> None:
    shipped = homes.precomputed_home() / "digits" / "tracin"
    shutil.copytree(shipped, results_home / "bare", ignore=shutil.ignore_patterns("evidence"))
    app = digits_page(method="tracin", result="bare", image=str(OTHER))
    assert not app.exception
    assert "Not evaluated" in texts(app)
    assert "Held-out LDS" not in texts(app)
    assert field(app, "Sort by").options[-1] == "highest loss first"


def test_a_bar_of_tracin_shows_its_images() -> None:
    app = digits_page(method="tracin", image=str(OTHER))
    deliver(app, drawn(app, "listbox"), 59)
    assert ids(app, "Most positive training images")[0] in ids(app, "Training images of this bar")


def test_methods_are_switched_on_the_same_image() -> None:
    app = digits_page(image=str(OTHER), sort="smallest data support first", lds="below 0.3")
    switch = next(group for group in app.get("button_group") if group.key == "method")
    switch.set_value("tracin").run()
    assert not app.exception
    assert f"Test image {OTHER}" in texts(app)
    assert "**+ Proponents**" in texts(app)
    assert field(app, "Sort by").value == "index"
    switch = next(group for group in app.get("button_group") if group.key == "method")
    switch.set_value("datamodels").run()
    assert not app.exception
    assert "Held-out LDS of this image" in texts(app)


def test_a_link_to_no_method_opens_the_first() -> None:
    app = digits_page(method="guesses")
    assert not app.exception
    assert "The link asks for method=guesses" in warnings(app)
    assert f"Test image {STORY}" in texts(app)
