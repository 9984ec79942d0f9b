"""Every page runs, without a browser: what it says for good and for bad input."""

import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from influence import datasets, homes
from influence.evidence import Evaluated

APP = Path(__file__).parents[2] / "app.py"
FIRST, OTHER = 17136, 18232


def houses_page(**link: str) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    app.switch_page("pages/houses.py")
    for name, value in link.items():
        app.query_params[name] = value
    return app.run()


def subheaders(app: AppTest) -> list[str]:
    return [element.value for element in app.subheader]


def warnings(app: AppTest) -> str:
    return " ".join(element.value for element in app.warning)


def errors(app: AppTest) -> str:
    return " ".join(element.value for element in app.error)


def test_the_first_page_leads_to_the_others() -> None:
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    assert not app.exception
    assert app.title[0].value == "Which training examples made my model do that?"


def test_houses_open_on_the_first_of_palo_alto(no_houses: None) -> None:
    app = houses_page()
    assert not app.exception
    assert f"House {FIRST}" in subheaders(app)
    assert "The data set is not on this machine" in app.info[0].value
    assert any("What a score says" in text.value for text in app.markdown)
    assert any("seed 0" in caption.value for caption in app.caption)
    assert any("trained with Adam" in text.value for text in app.markdown)
    assert any("Predicted and measured changes agree at" in text.value for text in app.markdown)


def test_houses_without_evidence_say_so(no_houses: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("influence.evidence.read", lambda result: Evaluated())
    assert any("**The ranking**: not evaluated" in text.value for text in houses_page().markdown)


def test_a_link_picks_a_house_and_how_many(no_houses: None) -> None:
    app = houses_page(house=str(OTHER), k="3")
    assert f"House {OTHER}" in subheaders(app)
    proponents, opponents = (app.dataframe[place].value for place in (1, 2))
    assert list(proponents["rank"]) == [1, 2, 3]
    assert list(opponents["rank"]) == [-1, -2, -3]
    assert warnings(app) == ""


def test_all_eleven_together(no_houses: None) -> None:
    app = houses_page(together="true")
    assert "The eleven Palo Alto houses together" in subheaders(app)


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ({"house": "99999"}, "There is no house 99999"),
        ({"together": "maybe"}, "The link asks for together=maybe"),
        ({"house": "roof"}, "The link asks for house=roof"),
        ({"k": "0"}, "The link asks for k=0"),
        ({"k": "21"}, "this result shows 1 to 20 either way"),
        ({"result": "gone"}, "The link asks for result=gone"),
        ({"show": "nothing"}, "The link asks for show=nothing"),
        ({"zoom": "moon"}, "The link asks for zoom=moon"),
        ({"from": "All test houses"}, "that needs the data set"),
        ({"house": "7"}, "not on this machine"),
    ],
)
def test_a_bad_link_falls_back_with_a_message(no_houses: None, link: dict[str, str], message: str) -> None:
    app = houses_page(**link)
    assert not app.exception
    assert message in warnings(app)
    assert f"House {FIRST}" in subheaders(app)


def test_a_warning_about_a_link_goes_with_the_next_pick(no_houses: None) -> None:
    app = houses_page(k="21", house=str(OTHER))
    assert "k=21" in warnings(app)
    app.number_input(key="house").set_value(FIRST).run()
    assert "k=21" in warnings(app)  # nothing has been done about k
    app.number_input(key="k").set_value(5).run()
    assert warnings(app) == ""


def test_self_influence(no_houses: None) -> None:
    app = houses_page(show="Self-influence")
    assert not app.exception
    assert {"100 highest", "100 lowest"} <= set(subheaders(app))
    assert len(app.dataframe[0].value) == 200


def test_a_link_rings_a_training_house(no_houses: None) -> None:
    extreme = houses_page(show="Self-influence").dataframe[0].value["house"].iloc[0]
    assert warnings(houses_page(show="Self-influence", ring=str(extreme))) == ""
    assert "none is ringed" in warnings(houses_page(show="Self-influence", ring=str(FIRST)))


def test_with_the_data_set_every_house_is_there(houses: datasets.Dataset) -> None:
    app = houses_page(**{"from": "All test houses", "house": "12", "k": "50"})
    assert not app.exception
    assert "House 12" in subheaders(app)
    assert len(app.dataframe[0].value) == 4128
    assert len(app.dataframe[1].value) == 50
    assert "MedInc" in app.dataframe[1].value


def own_result(name: str) -> Path:
    home = homes.results_home()
    home.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copytree(homes.precomputed_home() / "california-housing" / "tracin", home / name))


def test_a_result_of_ones_own_can_be_shown_renamed_and_deleted(no_houses: None) -> None:
    own_result("mine")
    app = houses_page(result="mine")
    assert any("result “mine”" in caption.value for caption in app.caption)
    app.text_input(key="name_of_mine").set_value("yours").run()
    next(button for button in app.button if button.label == "Rename").click().run()
    assert any("result “yours”" in caption.value for caption in app.caption)
    next(button for button in app.button if button.label == "Delete yours").click().run()
    assert any("result “shipped”" in caption.value for caption in app.caption)
    assert list(homes.results_home().iterdir()) == []


def test_a_name_that_will_not_do_is_refused(no_houses: None) -> None:
    own_result("mine")
    app = houses_page(result="mine")
    app.text_input(key="name_of_mine").set_value("../../etc").run()
    next(button for button in app.button if button.label == "Rename").click().run()
    assert "can't be a result's name" in errors(app)
    assert (homes.results_home() / "mine").is_dir()


def test_a_damaged_result_says_so(no_houses: None) -> None:
    path = own_result("mine") / "influences.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    app = houses_page(result="mine")
    assert not app.exception
    assert "influences.parquet is damaged" in errors(app)
    app.selectbox(key="result").set_value("shipped").run()  # and the others go on working
    assert f"House {FIRST}" in subheaders(app)


def test_a_folder_of_another_version_is_listed_as_unreadable(no_houses: None) -> None:
    path = own_result("old") / "manifest.json"
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 0'))
    app = houses_page()
    assert not app.exception
    assert app.selectbox(key="result").options == ["shipped"]
    assert any("schema version 0" in caption.value for caption in app.caption)
