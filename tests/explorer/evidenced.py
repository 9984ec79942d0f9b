"""Evidence of made-up figures about a result, through the public writer."""

from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from influence import evidence, results
from influence.evaluation.removal.figures import agreements_by_count
from influence.measures.mislabels import found
from influence.measures.removal import agreement

COUNTS = (1, 10)


def about(folder: Path) -> dict[str, object]:
    """What every manifest of evidence holds."""
    return {
        "about": evidence.about(results.read(folder)),
        "config": {"seed": 0},
        "notes": ["A note on how it was measured."],
        "created": "2026-01-01T00:00:00+00:00",
    }


def removal(folder: Path, targets: np.ndarray, has_scale: bool = True, flips: bool = True) -> Path:
    """Removals of which half of what was predicted comes, with a little noise; random ones do nothing."""
    tables, agreements, trainings = _removals(tuple(targets.tolist()), flips)
    figures = {
        **agreements,
        "is_common": False,
        "has_scale": has_scale,
        "support": None,
        "trainings": trainings,
    }
    return evidence.write(folder, "removal", about(folder) | {"figures": figures}, dict(tables))


@cache
def _removals(targets: tuple[int, ...], flips: bool) -> tuple[dict[str, pa.Table], dict[str, object], int]:
    """The tables, the agreements and the number of trainings; made once, since intervals take a second."""
    rng = np.random.default_rng(0)
    rows = [
        (int(target), choice, count, -0.1 * count * (1 + rng.random()) if choice == "helpful" else 0.01 * rng.normal())
        for target in targets
        for choice in ("helpful", "random")
        for count in COUNTS
    ]
    target, choice, count, predicted = map(np.array, zip(*rows, strict=True))
    measured = predicted / 2 + 0.005 * rng.normal(size=len(rows))
    flipped = np.where(choice == "helpful", count / 20, 0.02) if flips else np.full(len(rows), np.nan)
    floats = {"predicted": predicted, "measured": measured, "error": np.full(len(rows), 0.01), "flipped": flipped}
    lines = [("none", 0, 0.0, 0.0, 0.02 if flips else np.nan)] + [
        (each, one, *(np.mean(part[(choice == each) & (count == one)]) for part in (predicted, measured, flipped)))
        for each in ("helpful", "random")
        for one in COUNTS
    ]
    names, counts, *means = zip(*lines, strict=True)
    mean = dict(zip(("predicted", "measured", "flipped"), (np.array(part, np.float32) for part in means), strict=True))
    n = len(targets)
    tables = {
        "effects": pa.table(
            {
                "target": target.astype(np.int32),
                "choice": evidence.names(choice.tolist()),
                "count": count.astype(np.int32),
            }
            | {name: values.astype(np.float32) for name, values in floats.items()}
            | {"trained": np.full(len(rows), 3, np.int32)}
        ),
        "curves": pa.table(
            {"choice": evidence.names(names), "count": np.array(counts, np.int32), **mean}
            | {
                f"{name}_{end}": mean[name] + by
                for name in ("measured", "flipped")
                for end, by in (("low", -0.01), ("high", 0.01))
            }
        ),
        "targets": pa.table(
            {"target": np.asarray(targets, np.int32)}
            | {name: np.zeros(n, np.float32) for name in ("label", "output", "output_sd")}
            | {name: np.full(n, -1, np.int32) for name in ("prediction", "support")}
            | {
                name: np.full(n, np.nan, np.float32)
                for name in ("support_found", "flipped_at_support", "output_at_support")
            }
        ),
    }
    whole = agreement(predicted, measured, target)
    agreements: dict[str, object] = {
        "agreement": {"all": {name: figure.as_dict() for name, figure in whole.items()}},
        "agreement_by_count": agreements_by_count(tables["effects"].to_pandas()),
    }
    return tables, agreements, len(rows) * 3


def mislabels(folder: Path, quality: dict[str, float]) -> Path:
    """One kind of flips, of a tenth, that every ranking of ``quality`` finds as well as it says (0 is not at all)."""
    rng = np.random.default_rng(0)
    train = results.read(folder).train
    n = len(train)
    flipped = np.zeros(n, bool)
    flipped[rng.choice(n, n // 10, replace=False)] = True
    scores = {name: (rng.normal(size=n) + quality[name] * flipped).astype(np.float32) for name in evidence.RANKINGS}
    label = train["label"].to_numpy(np.int32)
    looks = {name: found(values, flipped) for name, values in scores.items()}
    examples = [
        pa.table(
            {"flips": evidence.names([kind] * n), "train": train.index.to_numpy(np.int32), "true": label}
            | {"label": np.where(flipped, (label + 1) % 10, label).astype(np.int32) if kind == "uniform" else label}
            | scores
        )
        for kind in ("none", "uniform")
    ]
    curves = [
        pa.table(
            {
                "flips": evidence.names(["uniform"] * 101),
                "ranking": evidence.names([name] * 101),
                "inspected": np.linspace(0, 1, 101, dtype=np.float32),
                "found": np.interp(np.linspace(0, 1, 101), look.inspected, look.found).astype(np.float32),
            }
        )
        for name, look in looks.items()
    ]
    figures = {
        "found": {
            "uniform": {
                name: {"area": look.area.as_dict(), "at_20": look.at_20.as_dict()} for name, look in looks.items()
            }
        },
        "flipped": int(flipped.sum()),
        "train": n,
    }
    tables = {
        name: pa.concat_tables(parts).unify_dictionaries().combine_chunks()
        for name, parts in (("curves", curves), ("examples", examples))
    }
    return evidence.write(folder, "mislabels", about(folder) | {"figures": figures}, tables)


def scaling(folder: Path) -> Path:
    """Two estimators on 50 and 100 models, and what random weights get."""
    rows = [("random", 0, 0.0), ("ridge", 50, 0.2), ("ridge", 100, 0.3), ("lasso", 50, 0.1), ("lasso", 100, 0.4)]
    names, models, means = zip(*rows, strict=True)
    mean = np.array(means, np.float32)
    table = pa.table(
        {
            "estimator": evidence.names(names),
            "models": np.array(models, np.int32),
            "targets": np.full(len(rows), 360, np.int32),
            "mean": mean,
            "low": mean - np.float32(0.01),
            "high": mean + np.float32(0.01),
        }
    )
    return evidence.write(
        folder, "scaling", about(folder) | {"figures": {"held_out": 40, "fitted": 100}}, {"scores": table}
    )
