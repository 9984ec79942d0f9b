"""The outcome store: what is trained, kept, refused and mended."""

import errno
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.storage import LocalStore

from influence import datasets
from influence.datamodels.outcomes import Backend, OutcomeConfig, collect, read, read_config, reproduce, verify
from influence.datamodels.outcomes.store import Store
from influence.datamodels.outcomes.unit import checksums
from influence.datamodels.subsets import SubsetConfig, draw
from influence.datasets import Dataset, Split
from influence.errors import InfluenceError
from influence.learners.base import margins
from influence.learners.mlp import Mlp
from influence.learners.patchnet import PatchNet, patches


def assert_equal(first, second):
    assert np.array_equal(first.models, second.models)
    assert np.array_equal(first.masks, second.masks)
    np.testing.assert_allclose(first.margins, second.margins, atol=4e-2)  # in 32nds, and rounding along the training
    np.testing.assert_allclose(first.accuracy, second.accuracy, atol=0.01)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """(config, path) of 230 models collected without interruption."""
    config = OutcomeConfig(learner=Mlp(width=8, epochs=1))
    store = str(tmp_path_factory.mktemp("whole") / "store")
    collect(config, store, 230)
    return config, store


def test_a_store_holds_what_the_models_say(whole):
    config, store = whole
    digits = datasets.load("digits")
    result = read(store)
    assert (len(result), result.missing, result.diverged) == (230, 0, 0)
    chosen = np.array([0, 77, 229])
    subsets = draw(config.subsets, chosen, 1437)
    logits = config.learner.fit(digits.train, subsets).logits(digits.test.inputs)
    assert np.array_equal(result.masks[chosen], subsets.masks)
    np.testing.assert_allclose(result.margins[chosen], margins(logits, digits.test.labels), atol=4e-2)
    np.testing.assert_allclose(
        result.accuracy[chosen], (logits.argmax(axis=2) == digits.test.labels).mean(axis=1), atol=0.01
    )
    models, masks = reproduce(config, chosen)
    np.testing.assert_allclose(models.logits(digits.test.inputs), logits, atol=1e-3)
    assert np.array_equal(masks, subsets.masks)
    assert read_config(store) == config


def test_a_store_is_plain_zarr_with_named_dimensions(whole):
    _, store = whole
    group = zarr.open_group(store, mode="r")
    names = {name: array.metadata.dimension_names for name, array in group.arrays()}
    assert names == {
        "margins": ("model", "target"),
        "named": ("model", "target"),
        "masks": ("model", "train_byte"),
        "accuracy": ("model",),
        "checksum": ("model",),
        "state": ("model",),
        "target": ("target",),
    }
    assert group["margins"].dtype == np.float16
    assert group["margins"].shape == (230, 360)
    assert np.array_equal(group["target"][:], datasets.load("digits").test.index)
    unpacked = np.unpackbits(group["masks"][:], axis=1, count=1437).astype(bool)
    assert np.array_equal(unpacked, read(store).masks)


def test_resuming_extending_and_sharding_give_the_same_store(whole, small, tmp_path):
    _, complete = whole
    store = str(tmp_path / "store")
    assert collect(small, store, 10).trained == 10
    assert collect(small, store, 10).trained == 0
    assert collect(small, store, 230, span=(100, 150)).trained == 50
    check = verify(store)
    assert (check.models, check.done, check.missing) == (230, 60, [*range(10, 100), *range(150, 230)])
    assert collect(small, store, 230, span=(200, 230)).present == 90
    assert read(store).missing == 140
    result = collect(small, store, 230)
    assert (result.trained, result.present) == (140, 230)
    assert collect(small, store, 100).trained == 0  # fewer than there are: nothing is lost
    assert_equal(read(store), read(complete))
    assert verify(store).is_complete


def test_rows_that_are_there_stay_as_they_are(small, tmp_path):
    store = str(tmp_path / "store")
    collect(small, store, 30)
    before = zarr.open_group(store, mode="r")["margins"][:30]
    collect(small, store, 60)
    assert np.array_equal(zarr.open_group(store, mode="r")["margins"][:30], before)


def test_reading_a_part(whole):
    _, store = whole
    part, everything = read(store, [229, 3, 3, 60]), read(store)
    assert part.models.tolist() == [3, 60, 229]
    assert np.array_equal(part.margins, everything.margins[[3, 60, 229]])
    with pytest.raises(InfluenceError, match=r"0 to 229, and 230 was asked for"):
        read(store, range(231))


def test_progress_counts_models(small, tmp_path):
    seen = []
    collect(small, str(tmp_path / "store"), 120, report=lambda finished, total: seen.append((finished, total)))
    assert seen == [(50, 120), (100, 120), (120, 120)]


@pytest.mark.parametrize("seed", range(2))
def test_kill_anywhere(whole, small, kill_and_resume, tmp_path, seed):
    _, complete = whole
    store = str(tmp_path / "store")
    killed = 0
    rng = np.random.default_rng(seed)
    for models in (60, 140, 230):  # growing too
        killed += kill_and_resume(small, store, models, rng, longest=0.25)
    assert killed >= 3
    assert verify(store).is_complete
    assert_equal(read(store), read(complete))


def test_writers_of_different_ranges_share_a_store(whole, small, forkserver, tmp_path):
    from tests.datamodels.conftest import collect_in_child

    _, complete = whole
    store = str(tmp_path / "store")
    children = [
        forkserver.Process(target=collect_in_child, args=(small, store, 230, span))
        for span in ((0, 100), (100, 200), (200, 230))
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    assert verify(store).is_complete
    assert_equal(read(store), read(complete))


def test_loky(whole, small, tmp_path):
    _, complete = whole
    store = str(tmp_path / "store")
    assert collect(small, store, 230, backend=Backend(kind="loky", workers=2)).trained == 230
    assert_equal(read(store), read(complete))


@pytest.mark.parametrize("array", ["margins", "named", "masks", "accuracy", "checksum", "state"])
@pytest.mark.parametrize("how", ["junk", "cut", "flip", "gone"])
def test_damage_is_found_and_mended(whole, small, tmp_path, array, how):
    _, complete = whole
    store = tmp_path / "store"
    collect(small, str(store), 100)
    chunk = next(
        path for path in (store / array / "c").rglob("*") if path.is_file() and path.relative_to(store).parts[2] == "1"
    )
    content = chunk.read_bytes()
    damaged = {
        "junk": b"junk",
        "cut": content[: len(content) // 2],
        "flip": bytes([*content[:-1], content[-1] ^ 1]),
        "gone": None,
    }[how]
    if damaged is None:
        chunk.unlink()
    else:
        chunk.write_bytes(damaged)
    check = verify(str(store), repair=True)
    assert set(check.missing + check.damaged) <= set(range(50, 100))
    assert check.missing + check.damaged
    assert collect(small, str(store), 100).trained == len(check.missing + check.damaged)
    assert verify(str(store)).is_complete
    assert_equal(read(str(store)), read(complete, range(100)))


@pytest.mark.parametrize("claimed", [2, 7])
def test_a_state_that_the_margins_belie_is_damage(small, tmp_path, claimed):
    store = str(tmp_path / "store")
    collect(small, store, 60)
    before = read(store)
    group = zarr.open_group(store, mode="r+")
    group["state"][7] = claimed
    with pytest.raises(InfluenceError, match=r"1 outcome\(s\) of the models 0 to 49 are damaged"):
        read(store)
    assert verify(store, repair=True).damaged == [7]
    assert collect(small, store, 60).trained == 1
    assert_equal(read(store), before)


def test_a_damaged_outcome_is_never_read(small, tmp_path):
    store = tmp_path / "store"
    collect(small, str(store), 100)
    group = zarr.open_group(str(store), mode="r+")
    group["margins"][60, 5] = 1.5
    assert verify(str(store)).damaged == [60]
    assert "99 done, 0 diverged, 0 missing, 1 damaged (60)" in str(verify(str(store)))
    assert len(read(str(store), range(50))) == 50
    with pytest.raises(InfluenceError, match=r"1 outcome\(s\) of the models 50 to 99"):
        read(str(store))


def test_a_mask_that_the_config_did_not_draw_is_damage(small, tmp_path):
    store = str(tmp_path / "store")
    collect(small, store, 50)
    group = zarr.open_group(store, mode="r+")
    rows = Store(group).rows(0, 50)
    rows["masks"][7] ^= 1
    group["masks"][:] = rows["masks"]
    group["checksum"][:] = checksums(rows)
    assert verify(store).damaged == [7]


def test_a_store_of_another_config_is_refused_with_what_differs(whole):
    config, store = whole
    other = config.replace(learner=config.learner.replace(epochs=2), subsets=SubsetConfig(alpha=0.4))
    with pytest.raises(InfluenceError) as caught:
        collect(other, store, 230)
    assert "(learner.epochs is 1 there and 2 here, subsets.alpha is 0.5 there and 0.4 here)" in str(caught.value)


def test_a_store_of_other_data_or_another_version_is_refused(small, tmp_path):
    store = tmp_path / "store"
    collect(small, str(store), 1)
    path = store / "zarr.json"
    good = json.loads(path.read_text())
    path.write_text(json.dumps(good | {"attributes": good["attributes"] | {"dataset_hash": "0" * 64}}))
    with pytest.raises(InfluenceError, match=r"another version of digits"):
        collect(small, str(store), 2)
    path.write_text(json.dumps(good | {"attributes": good["attributes"] | {"schema_version": 99}}))
    with pytest.raises(InfluenceError, match="has schema version 99, and this program reads version 2"):
        read(str(store))


def test_a_part_of_a_data_set_has_a_store_of_its_own(small, tmp_path):
    store = str(tmp_path / "store")
    part = small.replace(classes=("3", "5", "8"), train_size=300)
    assert collect(part, store, 20).trained == 20
    assert read(store).masks.shape == (20, 300)
    assert read(store).margins.shape == (20, np.isin(datasets.load("digits").test.labels, [3, 5, 8]).sum())
    assert read_config(store) == part
    with pytest.raises(InfluenceError, match="train_size is 300 there and None here"):
        collect(part.replace(train_size=None), store, 20)


def test_a_class_without_training_examples_is_refused(small, tmp_path):
    with pytest.raises(InfluenceError, match="of the classes of digits have no training example left"):
        collect(small.replace(train_size=5), str(tmp_path / "store"), 20)


def test_diverged_models_are_recorded_and_left_out(tmp_path):
    config = OutcomeConfig(learner=Mlp(width=8, epochs=1, learning_rate=1e9))
    store = str(tmp_path / "store")
    result = collect(config, store, 60)
    assert (result.trained, result.diverged) == (60, 60)
    assert collect(config, store, 60).trained == 0  # they would diverge again
    assert verify(store).diverged == 60
    assert verify(store).is_complete
    left = read(store)
    assert (len(left), left.diverged, left.margins.shape) == (0, 60, (0, 360))


def test_colour_models_that_diverge_are_recorded_and_left_out(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    train, test = (
        Split(np.arange(n), rng.integers(256, size=(n, 12, 12, 3), dtype=np.uint8), np.arange(n) % 3) for n in (60, 20)
    )
    monkeypatch.setattr("influence.learners.recipe._load", lambda *name: Dataset(datasets.facts("digits"), train, test))
    monkeypatch.setattr(patches, "_SAMPLED", 2000)
    learner = PatchNet(filters=8, patch=3, grid=2, width=4, epochs=2, batch_size=15)
    for rate, diverged in ((0.05, 0), (1e30, 10)):
        store = str(tmp_path / str(diverged))
        assert collect(OutcomeConfig(learner=learner.replace(learning_rate=rate)), store, 10).diverged == diverged
        left = read(store)
        assert (len(left), left.diverged, left.missing) == (10 - diverged, diverged, 0)
        assert np.isfinite(left.margins).all()


@pytest.mark.parametrize("room", [0, 4, 7, 9, 12, 13, 16, 18])
def test_a_full_disk_loses_no_more_than_the_models_in_progress(whole, small, tmp_path, monkeypatch, room):
    """Of the 19 writes that two more units take: seven to make room, and then six a unit."""
    _, complete = whole
    store = str(tmp_path / "store")
    collect(small, store, 50)
    before = read(store)
    write, written = LocalStore.set, []

    async def write_while_there_is_room(self, key, value):
        if len(written) == room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(key)
        await write(self, key, value)

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "set", write_while_there_is_room)
        with pytest.raises(InfluenceError) as caught:
            collect(small, store, 150)
    assert f"{store} can't be read or written ([Errno 28] No space left on device)" in str(caught.value)
    kept = read(store)
    assert kept.models.tolist() == list(range(50 if room < 13 else 100))
    assert np.array_equal(kept.margins[:50], before.margins)
    assert collect(small, store, 150).trained == 150 - len(kept)
    assert verify(store).is_complete
    assert_equal(read(store), read(complete, range(150)))


def test_a_store_whose_margins_were_rounded_elsewhere_goes_on(small, tmp_path):
    """As another machine would have written it: every margin a step of 1/32 away, and checksums of its own."""
    store = str(tmp_path / "store")
    collect(small, store, 60)
    group = zarr.open_group(store, mode="r+")
    rows = Store(group).rows(0, 60)
    rows["margins"] += np.random.default_rng(0).choice([-1, 1], size=rows["margins"].shape).astype(np.float16) / 32
    group["margins"][:] = rows["margins"]
    group["checksum"][:] = checksums(rows)
    assert verify(store).is_complete
    assert collect(small, store, 120).trained == 60
    assert verify(store).is_complete
    assert np.array_equal(read(store).margins[:60], rows["margins"].astype(np.float32))


def test_a_creation_cut_short_is_completed(small, tmp_path):
    import shutil

    store = tmp_path / "store"
    collect(small, str(store), 50)
    shutil.rmtree(store / "accuracy")
    with pytest.raises(InfluenceError, match="lacks its array accuracy: collect again, which mends that"):
        read(str(store))
    collect(small, str(store), 50)
    verify(str(store), repair=True)
    collect(small, str(store), 50)
    assert verify(str(store)).is_complete


@pytest.mark.parametrize(
    ("models", "span", "sentence"),
    [
        (0, None, "models is 0, but must be at least 1."),
        (
            200,
            (25, 200),
            "The range 25:200 cuts through models that are trained and stored together: use multiples of 50.",
        ),
        (200, (0, 130), "The range 0:130 cuts through models"),
        (200, (100, 250), "The range 100:250 must lie within 0:200 and hold at least one model."),
        (200, (100, 100), "The range 100:100 must lie within 0:200"),
    ],
)
def test_bad_ranges_are_refused(small, tmp_path, models, span, sentence):
    with pytest.raises(InfluenceError, match=re.escape(sentence)):
        collect(small, str(tmp_path / "store"), models, span)


def test_bad_configs_are_refused(small, tmp_path):
    with pytest.raises(InfluenceError, match="Did you mean digits"):
        collect(small.replace(dataset="digit"), str(tmp_path / "store"), 10)
    with pytest.raises(InfluenceError, match="There is no outcome store at"):
        read(str(tmp_path / "nothing"))
    with pytest.raises(InfluenceError, match="is not a URL that fsspec knows"):
        collect(small, "nonsense://place", 10)
    with pytest.raises(InfluenceError, match="backend is 'ray', but must be one of here, loky, dask"):
        Backend(kind="ray")  # type: ignore[arg-type]
    with pytest.raises(InfluenceError, match="give both or neither"):
        Backend(kind="dask")
    with pytest.raises(InfluenceError, match="There is no Dask scheduler at tcp://127"):
        collect(small, str(tmp_path / "store"), 10, backend=Backend(kind="dask", scheduler="tcp://127.0.0.1:1"))
    with pytest.raises(InfluenceError, match="lack classes: give a config that was stored whole"):
        OutcomeConfig.parse({"dataset": "digits"})


def test_a_place_that_cannot_be_written_is_named(small, tmp_path):
    place = tmp_path / "file"
    place.write_text("no folder")
    with pytest.raises(InfluenceError, match="can't be read or written"):
        collect(small, str(place / "store"), 10)


def test_data_without_classes_is_refused(small, tmp_path, monkeypatch):
    digits = datasets.load("digits")
    prices = replace(digits, train=replace(digits.train, labels=digits.train.labels.astype(float)))
    monkeypatch.setattr("influence.learners.recipe._load", lambda *name: prices)
    with pytest.raises(InfluenceError, match="digits has no classes"):
        collect(small, str(tmp_path / "store"), 10)
    assert not Path(tmp_path / "store").exists()
