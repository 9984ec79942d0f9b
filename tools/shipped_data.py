"""Make the data that ship in ``precomputed/`` again: California housing, and a sheet of CIFAR-10 pictures.

``python -m tools.shipped_data`` needs both data sets, and the shipped results on CIFAR-10, which say what is shown.
"""

from collections.abc import Iterable

import pandas as pd

from influence import datasets, evidence, homes, results
from influence.datasets import california_housing, cifar10, sheets
from influence.explorer.images.filters import Filters
from influence.explorer.images.records import Images
from influence.explorer.outliers.records import Filters as Shown
from influence.explorer.outliers.records import Known, Outliers

SOURCE = "A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images (2009): a selection of CIFAR-10's images"

_FIRST_PAGE, _OUTLIERS_PAGE = 30, 40
_TELLING, _BESIDE = 40, 10  # test images with so many training images either way
_BESIDE_FIRST_PAGE = 4
_OF_A_CELL, _CULPRITS = 8, 10


def selection() -> tuple[set[int], set[int]]:
    """Choose the pictures of the CIFAR-10 sheet: indices of test and of training images.

    They are what pages show first of the shipped results: the first page of the gallery; forty mistakes, those with
    the strongest opponents first, with the training images that helped and hurt them most; the most frequent mistake
    and what caused it; and the first page of outliers.
    """
    shipped = {
        name: results.read(homes.precomputed_home() / cifar10.NAME / name, name) for name in ("datamodels", "tracin")
    }
    images = {name: Images(result, None, evidence.read(result)) for name, result in shipped.items()}
    opened = [each.default() for each in images.values()]
    datamodels = images["datamodels"]
    mistakes = datamodels.test[datamodels.test["wrong"]]
    influences = shipped["datamodels"].influences
    worst = influences.groupby("target")["score"].min().reindex(mistakes.index).sort_values(kind="stable").index
    telling = list(dict.fromkeys([*opened, *worst]))[:_TELLING]
    first_page = datamodels.gallery(Filters())[:_FIRST_PAGE]
    cell_tests, cell_trains = _frequent_mistake(mistakes, influences, worst)
    outlier_tests, outlier_trains = _outliers(shipped)

    tests = {*first_page, *telling, *cell_tests, *outlier_tests}
    trains = {*cell_trains, *outlier_trains}
    for target in telling:
        trains |= _beside(datamodels, target, _BESIDE)
    for target in first_page:
        trains |= _beside(datamodels, target, _BESIDE_FIRST_PAGE)
    for target in opened:
        trains |= _beside(images["tracin"], target, _BESIDE)
    return tests, trains


def _beside(images: Images, target: int, k: int) -> set[int]:
    """The k strongest training images either way."""
    return {int(train) for train in images.pick(target, k).table["train"]}


def _frequent_mistake(
    mistakes: pd.DataFrame, influences: pd.DataFrame, order: Iterable[int]
) -> tuple[list[int], list[int]]:
    """Some images of the most frequent mistake, and the training images with the largest sums of scores on it."""
    cell = mistakes.groupby(["label", "prediction"]).size().idxmax()
    members = mistakes.index[(mistakes["label"] == cell[0]) & (mistakes["prediction"] == cell[1])]
    sums = influences[influences["target"].isin(members)].groupby("train")["score"].sum().sort_values(kind="stable")
    return (
        [target for target in order if target in members][:_OF_A_CELL],
        [int(train) for train in (*sums.index[:_CULPRITS], *sums.index[-_CULPRITS:])],
    )


def _outliers(shipped: dict[str, results.Result]) -> tuple[list[int], list[int]]:
    """The first page of outliers by TracIn's self-influence and by held-out loss, and the targets of the very first."""
    examples = evidence.read(shipped["datamodels"]).mislabels.tables["examples"]
    known = Known(examples[examples["flips"] == "none"].set_index("train"), "datamodels")
    outliers = Outliers(shipped["tracin"], known)
    pages = [outliers.listed(Shown(), ranking)[:_OUTLIERS_PAGE] for ranking in ("self-influence", "held-out loss")]
    targets = pd.concat(outliers.targets(pages[0][0], _BESIDE))["target"]
    return [int(target) for target in targets], [train for page in pages for train in page]


def main() -> None:
    """Write both files."""
    tests, trains = selection()
    dataset = datasets.mapped(cifar10.NAME)
    pictures = {("test", target): dataset.test.inputs[target] for target in tests}
    pictures |= {("train", train): dataset.train.inputs[train] for train in trains}
    sheets.write(sheets.path_of(cifar10.NAME), dataset.content_hash, pictures, SOURCE)
    california_housing.export(california_housing.shipped())


if __name__ == "__main__":
    main()
