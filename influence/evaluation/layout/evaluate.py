"""A map of a result's targets and training examples, from the scores that it keeps."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import sparse

from influence.evaluation.base import Findings
from influence.evaluation.layout.config import LayoutConfig
from influence.measures.layout import NEIGHBOURS, Layout, lay_out
from influence.progress import Report, Stages, silent
from influence.results import Result


def evaluate(result: Result[Any], config: LayoutConfig, report: Report = silent) -> Findings:
    """Lay out all single targets and training examples.

    Raises
    ------
    InfluenceError
        If the result has too few targets.
    """
    targets, train = (np.asarray(table.index[table.index >= 0]) for table in (result.targets, result.train))
    stages = Stages({"laying out": 1}, report)
    layout = lay_out(kept_scores(result, targets, train), config.seed, config.directions, stages["laying out"])
    figures = _figures(layout)
    return Findings(
        config=config.as_dict(),
        figures=figures,
        notes=_notes(result, layout, figures),
        tables={"targets": _table("target", targets, layout.targets), "train": _table("train", train, layout.train)},
    )


def kept_scores(result: Result[Any], targets: np.ndarray, train: np.ndarray) -> sparse.csr_array:
    """Put the scores that a result keeps, from both of its rankings, into an array of targets by training examples."""
    columns = ["target", "train", "score"]
    tables = [result.influences] if result.reverse is None else [result.influences, result.reverse]
    kept = pd.concat([table[columns] for table in tables]).drop_duplicates(["target", "train"])
    row, column = pd.Index(targets).get_indexer(kept["target"]), pd.Index(train).get_indexer(kept["train"])
    known = row >= 0
    values = kept["score"].to_numpy()[known]
    return sparse.csr_array((values, (row[known], column[known])), shape=(len(targets), len(train)))


def _table(name: str, names: np.ndarray, places: np.ndarray) -> pa.Table:
    return pa.table({name: names.astype(np.int32), "map_x": places[:, 0], "map_y": places[:, 1]})


def _figures(layout: Layout) -> dict[str, Any]:
    n = len(layout.targets)
    return {
        "targets": n,
        "train": len(layout.train),
        "placed": int(np.isfinite(layout.train[:, 0]).sum()),
        "directions": layout.directions,
        "explained": layout.explained,
        "neighbours": layout.neighbours,
        "chance": min(1.0, NEIGHBOURS / (n - 1)),
    }


def _notes(result: Result[Any], layout: Layout, figures: dict[str, Any]) -> list[str]:
    lost = figures["train"] - figures["placed"]
    also = "" if result.reverse is None else f" and {result.manifest.reverse_k} of each training example"
    return [
        f"Laid out by the scores that the result keeps, {result.manifest.k} of each target{also} either way; all "
        f"others count as 0. They were reduced to {layout.directions} directions, which hold {layout.explained:.0%} of "
        "their variance, and the targets laid out by t-SNE.",
        "Each training example is where the targets are that it helps, at their median weighted by score"
        + (f"; {lost:,} help none by a kept score, and are left out." if lost else "."),
        f"Of each target's {NEIGHBOURS} nearest by these directions, {layout.neighbours:.0%} are among its "
        f"{NEIGHBOURS} nearest on the map. Near means alike; how far apart groups are, and how large, means nothing.",
    ]
