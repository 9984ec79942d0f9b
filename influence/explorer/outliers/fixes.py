"""The fix list: training examples with what is to be done about each, as the address and two CSV files write it."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from influence.explorer.outliers.records import Outliers

OUT = "out"
_PART = re.compile(r"(\d{1,9})(?::(\d{1,4}|out))?")

Fixes = Mapping[int, str]
"""By training example: `OUT`, or the position of the class that it gets instead; in the order of the list."""


def parse(text: str, outliers: Outliers) -> tuple[dict[int, str], list[str]]:
    """The fixes that a text such as "746:8, 12" names, each example once, and what of it names none.

    An example without a fix gets the class that the model says, or else is taken out.
    """
    found: dict[int, str] = {}
    unknown = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        match = _PART.fullmatch(part)
        if match is None or int(match[1]) not in outliers.table.index:
            unknown.append(part)
            continue
        train = int(match[1])
        found[train] = match[2] if match[2] in options(outliers, train) else suggested(outliers, train)
    return found, unknown


def spelled(fixes: Fixes, outliers: Outliers) -> str:
    """The text of fixes; what is suggested anyway is not spelled out."""
    return ",".join(
        str(train) if fix == suggested(outliers, train) else f"{train}:{fix}" for train, fix in fixes.items()
    )


def suggested(outliers: Outliers, train: int) -> str:
    """What is done about an example unless the reader says otherwise."""
    name = outliers.table["suggested"][train]
    return str(outliers.classes.index(name)) if name else OUT


def options(outliers: Outliers, train: int) -> list[str]:
    """What can be done about an example: the suggested label first, taking it out, then all other labels."""
    first = suggested(outliers, train)
    own = outliers.table["label"][train]
    others = [str(place) for place, name in enumerate(outliers.classes) if name != own]
    return list(dict.fromkeys([first, OUT, *others]))


def words(outliers: Outliers, fix: str) -> str:
    """A fix in words."""
    return "take out" if fix == OUT else f"label {outliers.classes[int(fix)]}"


def changed(fixes: Fixes, trains: Sequence[int], on: bool, outliers: Outliers) -> dict[int, str]:
    """Fixes with training examples put at the end, or taken off."""
    kept = {train: fix for train, fix in fixes.items() if train not in trains or on}
    return kept | ({train: suggested(outliers, train) for train in trains if train not in kept} if on else {})


def table(outliers: Outliers, fixes: Fixes, ranking: str) -> pd.DataFrame:
    """For export: index, label, suggested_label (empty where none is known), score, reason, fix."""
    rows = outliers.table.loc[list(fixes)]
    reasons = [_reason(outliers, train, ranking) for train in fixes]
    return pd.DataFrame(
        {
            "index": rows.index,
            "label": rows["label"].to_numpy(),
            "suggested_label": rows["suggested"].to_numpy(),
            "score": rows[ranking].to_numpy(float),
            "reason": reasons,
            "fix": [words(outliers, fix) for fix in fixes.values()],
        }
    )


def _reason(outliers: Outliers, train: int, ranking: str) -> str:
    place = outliers.place(train, ranking).replace(",", "")
    reason = f"{ranking}: {place}" if place == "not known" else f"{ranking}: {place}, highest first"
    if copied := outliers.copied(train):
        reason += f"; like test image {copied[0]} ({copied[2]:.2f})"
    name = outliers.table["suggested"][train]
    return f"{reason}; the model says {name}" if name else reason


def corrected(outliers: Outliers, fixes: Fixes) -> pd.DataFrame:
    """All training examples that are left, with their labels after the fixes: index, label."""
    labels = outliers.table["label"].copy()
    for train, fix in fixes.items():
        if fix != OUT:
            labels[train] = outliers.classes[int(fix)]
    out = [train for train, fix in fixes.items() if fix == OUT]
    left = labels.drop(index=out).sort_index()
    return pd.DataFrame({"index": left.index.to_numpy(np.int64), "label": left.to_numpy()})
