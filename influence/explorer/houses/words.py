"""Sentences of the houses page."""

import pandas as pd

from influence.explorer.houses.picks import Pick, Reach
from influence.explorer.houses.records import DOLLARS, Houses
from influence.methods.tracin.kind import TracInOfValues
from influence.results import Result

QUESTION = "Which training houses made the model’s price?"
NOT_DOLLARS = "Scores compare houses with each other and have no unit."


def dollars(value: float) -> str:
    return "unknown" if pd.isna(value) else f"${value:,.0f}"


def price(value: float, cap: float | None) -> str:
    """A price in words; prices that the source cut off are "over" the cap.

    Parameters
    ----------
    value : float
        In dollars.
    cap : float or None
        In the data set's unit.
    """
    return over(cap) if cap is not None and value > cap * DOLLARS else dollars(value)


def over(cap: float) -> str:
    return f"over ${cap * DOLLARS / 1000:,.0f}k"


def signed(score: float) -> str:
    """A score with its sign, a true minus and three figures."""
    size = f"{abs(score):.2e}" if abs(score) >= 1e5 else f"{abs(score):,.{_decimals(abs(score))}f}"
    return f"{'−' if score < 0 else '+'}{size}"


def _decimals(size: float) -> int:
    return 2 if size < 9.995 else 1 if size < 99.95 else 0


def away(km: float) -> str:
    return f"{km:.1f} km" if km < 9.95 else f"{km:,.0f} km"


def title(pick: Pick) -> str:
    """What is picked, for the line above the verdict."""
    return pick.title[0].upper() + pick.title[1:] if pick.is_group else f"Test house {pick.target}"


def price_to_price(pick: Pick, cap: float | None) -> tuple[str, str]:
    """The true and the predicted price; of a group, their means."""
    mean = pick.houses[["price", "prediction"]].mean()
    true = dollars(mean["price"]) if pick.is_group and len(pick.houses) > 1 else price(float(mean["price"]), cap)
    return true, dollars(mean["prediction"])


def verdict(pick: Pick) -> str:
    """How far the model is off: "The model says $80,459 too little."."""
    error = float(pick.houses["residual"].mean())
    if abs(error) < 0.5:
        return "The model says exactly that."
    how = f"{dollars(abs(error))} too {'much' if error > 0 else 'little'}"
    return f"On average the model says **{how}**." if len(pick.houses) > 1 else f"The model says **{how}**."


def helped(pick: Pick) -> str:
    return "pulled the prices the right way" if len(pick.houses) > 1 else "pulled the price the right way"


def hurt(pick: Pick) -> str:
    return "pulled them the wrong way" if len(pick.houses) > 1 else "pulled it the wrong way"


def what_a_score_is(houses: Houses, pick: Pick) -> str:
    """What a score is, in full."""
    whose, them = ("those houses’", "their prices") if len(pick.houses) > 1 else ("this house’s", "its price")
    checkpoints = len(houses.result.manifest.checkpoint_epochs)
    said = (
        f"A score is positive where learning from a training house pulled the model’s prediction towards {them}, and "
        f"negative where it pushed it away. It is the inner product of the training house’s gradient and {whose}, "
        f"times the learning rate, summed over {checkpoints} checkpoints. Compare scores within one pick only: real "
        "steps average over a batch, a checkpoint stands for many steps, and Adam rescales each."
    )
    if pick.target is not None and pick.is_group:
        said += " A group’s score is the sum of its houses’."
    return said


def summed(pick: Pick, k: int) -> str:
    """What the sums of a drawn group rest on."""
    return (
        f"These are sums of the kept scores: of each house, the {k} strongest training houses either way. A training "
        f"house that is weaker for some of the {len(pick.houses)} counts nothing there."
    )


def near(pick: Pick) -> str:
    """Whether the strongest proponent is near: it often is not."""
    if pick.proponents.empty:
        return ""
    km = float(pick.proponents["km"].iloc[0])
    return f"Near is not the same as important: the top helper is {away(km)} away." if km >= 5 else ""


def short_side(pick: Pick, k: int) -> str:
    """A sentence where fewer than k have one sign; empty where all are there."""
    if min(len(pick.proponents), len(pick.opponents)) >= k:
        return ""
    sides = f"{len(pick.proponents)} that helped and {len(pick.opponents)} that hurt"
    return f"Fewer than {k} of the kept scores have one of the signs: {sides} are shown."


def reach(reach: Reach, k: int, n_targets: int, house: int) -> str:
    """What a list of reached test houses rests on, and where the house stands from which one came."""
    helped, hurt = reach.all_helped, reach.all_hurt
    if not len(helped) + len(hurt):
        return f"No test house has this training house among the {k} strongest either way."
    said = (
        f"{len(helped) + len(hurt):,} of {n_targets:,} test houses have it among their {k} strongest either way: "
        f"{len(helped):,} that it helped and {len(hurt):,} that it hurt."
    )
    for side, verb in ((helped, "helped"), (hurt, "hurt")):
        place = side.index[side["target"] == house]
        if len(place):
            said += f" House {house} is number {place[0] + 1} of those that it {verb}."
    return said


def provenance(result: Result[TracInOfValues], name: str) -> str:
    """One line: from what, by what and when, and what lists call the result."""
    manifest = result.manifest
    config, epochs = manifest.config, manifest.checkpoint_epochs
    explained = manifest.quality.explained_variance.test
    return (
        f"{manifest.dataset} · {manifest.learner} · "
        f"{len(epochs)} checkpoints (epochs {epochs[0]} to {epochs[-1]}) · "
        f"seed {config.seed} · explained variance on test houses {explained:.2f} · "
        f"made {manifest.created[:10]} in {manifest.seconds:.0f} s · result “{name}”"
    )


def learned(reach: Reach) -> str:
    """How well the model learned a training house."""
    error = float(reach.house["residual"])
    how = f"{dollars(abs(error))} too {'much' if error > 0 else 'little'}" if abs(error) >= 0.5 else "exactly that"
    return f"The model learned from it, and says **{how}**."
