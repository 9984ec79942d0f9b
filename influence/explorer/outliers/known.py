"""What results and evidence on the same data know of training examples, read once."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
import streamlit as st

from influence import evidence, homes, library
from influence.errors import InfluenceError
from influence.evidence import Evaluated, MislabelsEvidence
from influence.explorer import reading
from influence.explorer.houses.records import Houses
from influence.explorer.outliers.records import Known, Outliers
from influence.library import Entry
from influence.results import Result


def outliers_of(listed: Entry) -> Outliers:
    """The training examples of a result by every ranking that is known of them."""
    found, _ = library.every()
    others = [entry for entry in found.values() if _is_alike(entry, listed) and entry.id != listed.id]
    kinds = ("mislabels", "near-copies")
    folders = [entry.path for entry in (listed, *others)] + [_own_evidence(listed.dataset)]
    places = [folder / "manifest.json" for folder in folders]
    places += [evidence.place(folder, kind) / "manifest.json" for folder in folders for kind in kinds]
    stamps = (listed.id, *((str(place), reading.stamp(place)) for place in places))
    dataset = None if listed.has_classes else reading.data_of(listed)
    return _outliers(listed, others, dataset, (*stamps, dataset is None))


@st.cache_resource(
    max_entries=4, show_spinner="Looking at the training examples …", hash_funcs={Entry: lambda one: one.id}
)
def _outliers(listed: Entry, others: list[Entry], _dataset: Any, stamps: tuple[object, ...]) -> Outliers:
    result = reading.read(listed)
    houses = None if listed.has_classes or not result.groups else Houses(result, _dataset)
    return Outliers(result, known(listed, others), houses)


def _is_alike(entry: Entry, listed: Entry) -> bool:
    manifest = entry.manifest
    return manifest.dataset_hash == listed.manifest.dataset_hash and manifest.part == listed.manifest.part


def known(listed: Entry, others: list[Entry]) -> Known:
    """What a result and others on the same data know; its own evidence counts first."""
    every = [listed, *others]
    judged = _judged(every, listed)
    predicted = _predicted(every)
    copies = _copies(every)
    return Known(
        *((_unflipped(judged[0]), judged[1]) if judged else (None, "")),
        *(predicted or (None, "")),
        *(copies or (None, "")),
    )


def mislabels_of(listed: Entry) -> MislabelsEvidence | None:
    """The evidence about flipped labels that the rankings come from; None where there is none."""
    found, _ = library.every()
    others = [entry for entry in found.values() if _is_alike(entry, listed) and entry.id != listed.id]
    judged = _judged([listed, *others], listed)
    return judged[0] if judged else None


def _evaluated(entries: list[Entry]) -> Iterator[tuple[Entry, Evaluated]]:
    for entry in entries:
        try:
            yield entry, reading.evaluated(entry)
        except InfluenceError:  # that result says so itself where it is shown
            continue


def _judged(entries: list[Entry], listed: Entry) -> tuple[MislabelsEvidence, str] | None:
    """Evidence about flipped labels and whose it is; what was measured for the data set alone counts too."""
    for entry, found in _evaluated(entries):
        if found.mislabels is not None:
            return found.mislabels, entry.id
    try:
        alone = MislabelsEvidence(*evidence.read_one(_own_evidence(listed.dataset), "mislabels"))
    except InfluenceError:
        return None
    is_its_own = alone.manifest.about.get("dataset_hash") == listed.manifest.dataset_hash
    return (alone, listed.dataset) if is_its_own else None


def _own_evidence(dataset: str) -> Any:
    return homes.results_home() / ".evidence" / dataset


def _unflipped(found: MislabelsEvidence) -> pd.DataFrame:
    examples = found.tables["examples"]
    return examples[examples["flips"] == "none"].set_index("train")


def _predicted(entries: list[Entry]) -> tuple["pd.Series[int]", str] | None:
    for entry in entries:
        try:
            train = reading.read(entry).train
        except InfluenceError:
            continue
        if "prediction" in train and entry.has_classes:
            return train["prediction"], entry.id
    return None


def _copies(entries: list[Entry]) -> tuple[pd.DataFrame, str] | None:
    """Near-copies among all training images where they were searched, else among those that a result keeps."""
    for entry, found in _evaluated(entries):
        if found.near_copies is not None:
            near = found.near_copies.near.rename(columns={"similarity": "likeness"})
            return _by_train(near), f"the near-copies evidence of {entry.id}"
    for entry in entries:
        try:
            result: Result[Any] = reading.read(entry)
        except InfluenceError:
            continue
        if "nearest" in result.targets:
            return _by_train(_of_kept(result, entry)), f"the {entry.manifest.k} kept either way by {entry.id}"
    return None


def _of_kept(result: Result[Any], entry: Entry) -> pd.DataFrame:
    from influence import datasets

    alike = result.targets[["nearest", "nearest_similarity"]].reset_index(names="target")
    alike.columns = pd.Index(["target", "train", "likeness"])
    return alike[alike["likeness"] >= datasets.facts(entry.dataset).near_copy].assign(mirrored=0)


def _by_train(pairs: pd.DataFrame) -> pd.DataFrame:
    """The most alike test image of each training image."""
    first = pairs.sort_values("likeness", ascending=False, kind="stable").drop_duplicates("train")
    return first.set_index("train")[["target", "likeness", "mirrored"]]
