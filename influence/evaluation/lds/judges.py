"""The models of a store that judge: none whose subset the fit saw, and their subsets trained again."""

from dataclasses import replace

import numpy as np
import pandas as pd

from influence.datamodels import outcomes
from influence.datamodels.outcomes import OutcomeConfig, Outcomes
from influence.errors import InfluenceError
from influence.evaluation.subject import Subject
from influence.measures.lds import LEAST_MODELS, Lds
from influence.text import command, inline_code


def judging_models(
    subject: Subject, trained: OutcomeConfig, store: str, wanted: tuple[int, int] | None = None
) -> range:
    """Find the models of a store that may judge a subject: none whose subset its fit saw.

    Model i's subset follows from the seed and i, so that another learner, other seeds of training and even another
    alpha give the fit's models no fresh subsets.

    Raises
    ------
    InfluenceError
        If models are wanted that the fit saw or that the store lacks, or if all of them were seen.
    """
    size = outcomes.size(store)
    if wanted is not None and not 0 <= wanted[0] < wanted[1] <= size:
        raise InfluenceError(
            f"--models {wanted[0]}:{wanted[1]} must lie within the {size} models of {store} and hold at least one."
        )
    fitted = subject.fitted
    if fitted is None or subject.recipe is None or subject.recipe.subsets.seed != trained.subsets.seed:
        return range(*wanted) if wanted else range(size)
    seen = fitted.seen
    if wanted is None:
        return range(min(size, fitted.held_out))
    if wanted[0] < seen.stop and seen.start < wanted[1]:
        raise InfluenceError(
            f"The fit of {subject.result.path} saw the subsets of the models {seen.start} to {seen.stop - 1}, and "
            f"--models {wanted[0]}:{wanted[1]} of {store} has some of them: judge it by models that it never saw, such "
            f"as --models 0:{fitted.held_out}."
        )
    return range(*wanted)


def repeated_judges(trained: OutcomeConfig, store: str, ceiling_store: str | None, held_out: Outcomes) -> Outcomes:
    """Read the outcomes of the judges' subsets, trained again with other seeds."""
    place = ceiling_store or f"{store.rstrip('/')}-ceiling"
    first, last = int(held_out.models[0]), int(held_out.models[-1])
    repeat = ("--repeat", str(trained.subsets.repeat + 1), "--models", str(last + 1), "--store", place)
    how = inline_code(command("datamodels", "collect", trained.dataset, *repeat))
    remedy = f"collect them with {how} and this store's settings, or leave the ceiling out with --no-ceiling."
    try:
        config = outcomes.read_config(place)
    except InfluenceError as error:
        raise InfluenceError(
            f"The noise ceiling needs the subsets of the models {first} to {last} trained with other seeds, and there "
            f"is no store of them at {place}: {remedy}"
        ) from error
    again = trained.replace(subsets=trained.subsets.replace(repeat=config.subsets.repeat))
    if config != again or config.subsets.repeat == trained.subsets.repeat:
        raise InfluenceError(
            f"{place} does not hold the same subsets as {store} trained with other seeds, which a noise ceiling needs: "
            f"{remedy}"
        )
    numbers = held_out.models[held_out.models < outcomes.size(place)]
    repeated = outcomes.read(place, numbers)
    if len(repeated) < LEAST_MODELS:
        raise InfluenceError(
            f"{place} has {len(repeated)} of the models {first} to {last}, and a noise ceiling needs at least "
            f"{LEAST_MODELS}: {remedy}"
        )
    return repeated


def measured_by_fit(
    subject: Subject, trained: OutcomeConfig, targets: np.ndarray, judges: range, held_out: Outcomes
) -> Lds | None:
    """The score that the fit itself measured, of these targets; None unless it is that on these very models."""
    fitted = subject.fitted
    if fitted is None or subject.recipe != trained:
        return None
    score = fitted.measured
    if score is None or judges != range(fitted.held_out) or len(held_out) != score.n_models:
        return None
    per_target = pd.Series(score.per_target, subject.result.targets.index)
    return replace(score, per_target=per_target.loc[targets].to_numpy(np.float64))
