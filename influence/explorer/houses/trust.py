"""How far to trust a ranking of houses, from retraining without those that it names."""

import numpy as np
import pandas as pd
from scipy import special

from influence.evidence import RemovalEvidence
from influence.explorer import glossary, reading
from influence.explorer.houses.records import DOLLARS
from influence.explorer.houses.words import dollars
from influence.library import Entry


def said(entry: Entry) -> tuple[str, str]:
    """A heading and a sentence for the sidebar, in Markdown."""
    removal = reading.evaluated(entry).removal
    if removal is None:
        return "Trust: not evaluated", "Nobody has measured how far these scores hold."
    worse = worsened(removal)
    if worse is None:
        return "Trust: see the evidence", "Houses were left out and the model was retrained."
    helpful, random = worse["helpful"], worse["random"]
    gap = helpful - random
    low = float(gap.mean()) - special.stdtrit(len(gap) - 1, 0.975) * float(gap.std(ddof=1)) / np.sqrt(len(gap))
    heading = "Trust: in part" if low > 0 else "Trust: not shown"
    count = int(removal.tables["effects"]["count"].max())
    many = int((helpful > 0).sum())
    return heading, (
        f"Tried on {len(helpful)} houses. Without their {count} top helpers the model got {many} of them more wrong, "
        f"by {dollars(DOLLARS * helpful.mean())} on average".replace("$", r"\$")
        + f" ({glossary.link('Control', 'control')}: {dollars(DOLLARS * random.mean())}).".replace("$", r"\$")
        + _size(removal, count)
    )


def _size(removal: RemovalEvidence, count: int) -> str:
    """Whether a higher sum of scores means a larger change."""
    agreement = removal.agreement_of(count).get("helpful")
    if agreement is None or agreement.spearman.low > 0:
        return ""
    return " How much worse, the scores do not say."


def worsened(removal: RemovalEvidence) -> pd.DataFrame | None:
    """How much farther from the true value predictions are without some training examples, in the label's unit.

    Returns
    -------
    pd.DataFrame or None
        A row a target; columns helpful and random, the largest number that was removed of each. None if either was
        not tried on at least three targets.
    """
    effects = removal.tables["effects"]
    effects = effects[effects["count"] == effects["count"].max()]
    targets = removal.tables["targets"].set_index("target")
    known = effects.join(targets[["label", "output"]], on="target")
    before = known["output"] - known["label"]
    known = known.assign(choice=known["choice"].astype(str), worse=(before + known["measured"]).abs() - before.abs())
    table = known.pivot(index="target", columns="choice", values="worse")
    if not {"helpful", "random"} <= set(table):
        return None
    table = table[["helpful", "random"]].dropna()
    return table if len(table) >= 3 else None
