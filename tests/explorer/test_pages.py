"""Every page runs, without a browser: what it says for good and for bad input."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from influence import datasets, homes
from influence.explorer import choosing
from tests.explorer.pages import open_page

APP = Path(__file__).parents[2] / "app.py"
FIRST = 17136  # the first house of Palo Alto


def houses_page(**link: str) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=60)
    app.switch_page("pages/houses.py")
    for name, value in link.items():
        app.query_params[name] = value
    return app.run()


def errors(app: AppTest) -> str:
    return " ".join(element.value for element in app.error)


def own_result(name: str) -> Path:
    home = homes.results_home()
    home.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copytree(homes.precomputed_home() / "california-housing" / "tracin", home / name))


def test_a_result_of_ones_own_can_be_shown_renamed_and_deleted(no_houses: None) -> None:
    own_result("mine")
    app = houses_page(result="mine")
    assert any("result “mine”" in caption.value for caption in app.caption)
    app.text_input(key="name_of_mine").set_value("yours")
    next(button for button in app.button if button.label == "Rename").click().run()
    assert any("result “yours”" in caption.value for caption in app.caption)
    next(button for button in app.button if button.label == "Delete …").click().run()
    next(button for button in app.button if button.label == "Delete").click().run()
    assert any("result “shipped”" in caption.value for caption in app.caption)
    assert list(homes.results_home().iterdir()) == []


def test_a_name_that_will_not_do_is_refused(no_houses: None) -> None:
    own_result("mine")
    app = houses_page(result="mine")
    app.text_input(key="name_of_mine").set_value("../../etc")
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
    assert any(f"Test house {FIRST}" in caption.value for caption in app.caption)


def test_a_folder_of_another_version_is_listed_as_unreadable(no_houses: None) -> None:
    path = own_result("old") / "manifest.json"
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 0'))
    app = houses_page()
    assert not app.exception
    assert app.selectbox(key="result").options == ["shipped, 10 checkpoints"]
    assert any("schema version 0" in caption.value for caption in app.caption)


def test_a_table_without_coordinates_is_on_the_page_of_its_evidence_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of single examples draw images and maps."""
    real, name = datasets.facts, "california-housing"
    monkeypatch.setattr(
        datasets, "facts", lambda each: replace(real(each), roles=() if each == name else real(each).roles)
    )
    for page in ("images", "outliers", "compare"):
        assert name not in {entry.dataset for entry in choosing.shown_on(page).values()}
    app = open_page("quality", data=name)
    assert not app.exception
    assert not app.warning
