"""The images page on CIFAR-10: pictures through the mapped copy, the switch between data sets, near-copies."""

import base64
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from influence import datasets, evidence, homes, results
from influence.datamodels.outcomes import OutcomeConfig
from influence.datasets import cifar10, sheets
from influence.explorer import reading, run_panel
from influence.learners.convnet import ConvNet
from influence.methods.datamodels import DatamodelsConfig
from influence.runs import Run, Runner
from tests.explorer.made import random_result
from tests.explorer.pages import grid, ids, open_page, texts, warnings
from tests.explorer.test_images_page import GALLERY, HELPED, HURT, STORY, digits_page, press


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result on all of CIFAR-10."""
    if not cifar10.is_present():
        pytest.skip(f"cifar10 is not in {homes.data_home()}: run `python -m influence data`")
    config = DatamodelsConfig(outcomes=OutcomeConfig(dataset=cifar10.NAME, learner=ConvNet()), k=5, reverse_k=3)
    return random_result(tmp_path_factory.mktemp("made") / "full", config, datasets.mapped(cifar10.NAME))


@pytest.fixture(scope="module")
def official() -> datasets.Dataset:
    """The official files, not the copy that the page maps."""
    if not cifar10.is_present():
        pytest.skip(f"cifar10 is not in {homes.data_home()}: run `python -m influence data`")
    return datasets.load(cifar10.NAME)


@pytest.fixture
def own(made: Path, results_home: Path) -> Path:
    return Path(shutil.copytree(made, results_home / "full"))


def cifar10_page(**link: str) -> AppTest:
    """The result of these tests, which is not the first one where another ships."""
    return open_page("images", **{"data": "cifar10", "result": "full"} | link)


def pixels(shown: dict[str, Any], item: dict[str, Any], which: int = 0) -> np.ndarray:
    """A picture of a tile, cut out of its strip."""
    strip = shown["strip"]
    whole = np.asarray(Image.open(io.BytesIO(base64.b64decode(strip["uri"].partition(",")[2]))))
    down, across = divmod(item["pictures"][which], strip["across"])
    top, left = down * strip["height"], across * strip["width"]
    return whole[top : top + strip["height"], left : left + strip["width"]]


def test_cifar10_opens_first_and_its_pictures_are_those_of_their_indices(own: Path, official: datasets.Dataset) -> None:
    app = open_page("images", sort="highest margin first", show="mistakes", page="3", **{"class": "cat"})
    assert not app.exception
    assert warnings(app) == ""
    gallery = grid(app, GALLERY)
    assert len(gallery["items"]) == 25
    assert {official.test.labels[item["id"]] for item in gallery["items"]} == {3}
    for item in gallery["items"]:
        assert np.array_equal(pixels(gallery, item), official.test.inputs[item["id"]])
    for side in (HELPED, HURT):
        shown = grid(app, side)
        for item in shown["items"]:
            assert np.array_equal(pixels(shown, item), official.train.inputs[item["id"]])


def test_a_link_chooses_the_data_set(own: Path) -> None:
    assert f"Test image {STORY}" in texts(digits_page())
    app = cifar10_page(image="9999", train="49999")
    assert warnings(app) == ""
    assert "Training image 49999" in texts(app)


def switch(app: AppTest, name: str) -> AppTest:
    return next(group for group in app.get("button_group") if group.key == "data").set_value(name).run()  # type: ignore[no-any-return]


def test_switching_leaves_nothing_of_the_other_data_set_behind(own: Path) -> None:
    app = cifar10_page(image="9999", page="2", show="near-copies", **{"class": "cat"})
    app = switch(app, "digits")
    assert not app.exception
    assert warnings(app) == ""
    assert f"Test image {STORY}" in texts(app)
    assert set(app.query_params) == {"data"}
    app = switch(app, "cifar10")
    assert warnings(app) == ""
    assert len(ids(app, GALLERY)) == 25


def test_near_copies_show_both_pictures(own: Path, official: datasets.Dataset) -> None:
    """They were searched for another result on the same data."""
    near = evidence.read(results.read(homes.precomputed_home() / "cifar10" / "datamodels")).near_copies
    assert near is not None
    nearest = near.near.drop_duplicates("target").set_index("target")
    app = cifar10_page(show="near-copies")
    shown = grid(app, GALLERY)
    likeness = [nearest.loc[item["id"], "similarity"] for item in shown["items"]]
    assert likeness == sorted(likeness, reverse=True)
    for item in shown["items"][:5]:
        assert np.array_equal(pixels(shown, item), official.test.inputs[item["id"]])
        assert np.array_equal(pixels(shown, item, 1), official.train.inputs[nearest.loc[item["id"], "train"]])
    link = cifar10_page(image=str(shown["items"][0]["id"]))
    assert "Being right here says little" in texts(link)
    link.button(key="show near-copy").click().run()
    assert f"Training image {nearest.loc[shown['items'][0]['id'], 'train']}" in texts(link)


def test_damaged_pixels_leave_the_rest_of_the_page(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "data" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    (folder / "test_batch").write_bytes(b"no batch")
    monkeypatch.setenv("INFLUENCE_DATA_DIR", str(folder.parent))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    app = cifar10_page()
    assert not app.exception
    assert "is damaged: delete it" in app.error[0].value.replace("\\", "")
    assert not any("not on this machine" in info.value for info in app.info)
    assert len(ids(app, GALLERY)) == 25


def test_a_result_of_part_of_the_data_set(official: datasets.Dataset, results_home: Path) -> None:
    outcomes = OutcomeConfig(dataset=cifar10.NAME, classes=("cat", "dog"), train_size=300, learner=ConvNet())
    part = datasets.mapped(cifar10.NAME, ("cat", "dog"), 300)
    random_result(results_home / "part", DatamodelsConfig(outcomes=outcomes, k=5, reverse_k=3), part)
    app = cifar10_page(result="part", show="all")
    assert not app.exception
    assert "1 to 25 of 2,000" in texts(app)
    shown = grid(app, GALLERY)
    for item in shown["items"]:
        assert np.array_equal(pixels(shown, item), official.test.inputs[item["id"]])


def test_what_the_manifest_calls_another_version_is_refused(own: Path) -> None:
    path = own / "manifest.json"
    path.write_bytes(results.to_bytes(json.loads(path.read_text()) | {"dataset_hash": "0" * 64}))
    assert "another version of cifar10" in cifar10_page().error[0].value


# What is missing, and what takes long


def test_missing_pixels_can_be_downloaded(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[list[str], str | None]] = []
    monkeypatch.setattr(reading, "start", lambda arguments, name: started.append((arguments, name)))
    monkeypatch.setenv("INFLUENCE_DATA_DIR", str(tmp_path / "nothing"))
    app = cifar10_page()
    assert not app.exception
    assert "is not on this machine" in app.info[0].value
    assert "pictures that ship" in app.info[0].value
    items = grid(app, HELPED)["items"]  # of a random result, so that most are not among them
    assert {item["stand_in"] for item in items if item["pictures"] == [None]} <= set(cifar10.FACTS.classes)
    assert any(item["pictures"] == [None] for item in items)
    press(app, "Download CIFAR-10")
    assert started == [(["data", "cifar10"], None)]


@pytest.fixture
def nothing_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFLUENCE_DATA_DIR", str(tmp_path / "nothing"))


def all_have_pictures(items: list[dict[str, Any]]) -> bool:
    return all(None not in item["pictures"] for item in items)


@pytest.mark.parametrize("method", ["datamodels", "tracin"])
def test_a_fresh_checkout_opens_on_pictures(method: str, nothing_downloaded: None) -> None:
    app = open_page("images", data="cifar10", method=method)
    assert not app.exception
    assert warnings(app) == ""
    for label in (GALLERY, HELPED, HURT):
        assert all_have_pictures(grid(app, label)["items"]), label
    assert "pictures that ship" in texts(app)


def test_a_fresh_checkout_has_pictures_on_the_other_pages(nothing_downloaded: None) -> None:
    outliers = open_page("outliers", of="cifar10/tracin")
    assert not outliers.exception
    assert "pictures that ship" in outliers.info[0].value
    assert all_have_pictures(grid(outliers, "Training images to look at")["items"])
    helped = grid(outliers, "Test images that it helped most")["items"]
    assert any(all_have_pictures([item]) for item in helped)  # for the others the class stands in
    compared = open_page("compare", on="cifar10")
    assert not compared.exception
    for name in ("cifar10/datamodels", "cifar10/tracin"):
        assert all_have_pictures(grid(compared, f"Helped, by {name}")["items"])


def test_without_any_pictures_digits_open(
    nothing_downloaded: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "path_of", lambda name: tmp_path / f"{name}-pictures.parquet")
    app = open_page("images")
    assert not app.exception
    assert f"Test image {STORY}" in texts(app)


def test_a_finished_run_shows_its_result_on_whatever_data_set(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digits = homes.precomputed_home() / "digits" / "datamodels"
    mine = Path(shutil.copytree(digits, own.parent / "mine"))
    runner = Runner()
    runner.history = [Run(1, ["datamodels", "run", "digits"], mine, "done")]
    monkeypatch.setattr(run_panel, "runner", lambda: runner)
    app = cifar10_page(image="9999", **{"class": "cat"})
    assert "result “full”" in texts(app)
    press(app, "Show it")
    assert not app.exception
    assert warnings(app) == ""
    assert "result “mine”" in texts(app)
    assert f"Test image {STORY}" in texts(app)


def test_while_the_data_set_is_unpacked_it_is_not_opened(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = Runner()
    runner.history = [Run(1, ["data", "cifar10"], None, "running", 0.9, "unpacking")]
    monkeypatch.setattr(run_panel, "runner", lambda: runner)
    monkeypatch.setattr(reading, "runner", lambda: runner)
    app = cifar10_page()
    assert not app.exception
    assert not app.error
    assert all_have_pictures(grid(app, GALLERY)["items"])  # those that ship
    assert next(button for button in app.button if button.label == "Download CIFAR-10").disabled


def test_what_was_timed_is_said_and_can_be_gone_on_with(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[list[str], str | None]] = []
    said = "One model takes 12 s here: 1,511 are left to train, which takes about 5 h 11 min."
    runner = Runner()
    runner.history = [Run(1, ["datamodels", "run", "cifar10", "--measure"], None, "done", said=said)]
    monkeypatch.setattr(run_panel, "runner", lambda: runner)
    monkeypatch.setattr(run_panel, "_own", lambda: {1})
    monkeypatch.setattr(run_panel, "start", lambda arguments, name: started.append((arguments, name)))
    app = cifar10_page()
    assert said in app.success[0].value.replace("\\", "")
    press(app, "Train them")
    ((arguments, name),) = started
    assert arguments == ["datamodels", "run", "cifar10"]
    assert str(name).startswith("datamodels")
