"""The lists of the outliers page, and the rankings of each."""

from dataclasses import dataclass

from influence.explorer import address


@dataclass(frozen=True)
class Ranking:
    """A way to order training examples, the most suspicious first.

    Parameters
    ----------
    name : str
        What the address calls it.
    title : str
        What follows "Ranked by".
    says : str
        What a high place means, in a sentence or two.
    evidence : str
        The ranking of `influence.evidence.RANKINGS` that flipped labels were searched by; empty where none was.
    """

    name: str
    title: str
    says: str
    evidence: str = ""


@dataclass(frozen=True)
class List:
    """A list of training examples to look at.

    Parameters
    ----------
    name : str
        What the address calls it.
    title : str
    rankings : tuple of str
        Those that make sense of it; the first that is known is shown first.
    """

    name: str
    title: str
    rankings: tuple[str, ...]


RANKINGS = {
    each.name: each
    for each in (
        Ranking(
            "self-influence",
            "self-influence",
            "The score of an example for itself. High: its error stayed large, or it is unlike the others.",
            "self-influence",
        ),
        Ranking(
            "memorisation",
            "memorisation",
            "How much surer models are of an example when they have seen it. High: learned by heart, not from others.",
            "own-weight",
        ),
        Ranking(
            "held-out loss",
            "loss when left out",
            "How surprised models were that had not seen it.",
            "held-out-loss",
        ),
        Ranking(
            "loss",
            "loss when trained on",
            "How surprised models stayed that were trained on it: the plain order to beat.",
            "loss",
        ),
        Ranking(
            "likeness",
            "likeness to a test example",
            "How alike the pixels are to those of a test image. Being right on that test image then says little.",
        ),
        Ranking(
            "harm",
            "harm to test examples",
            "Minus the sum of its kept scores. High: among the strongest of each test example, it hurt more than it "
            "helped.",
        ),
        Ranking(
            "against its class",
            "harm to its own class",
            "Minus its mean score on test examples of its own class. High: training on it made them less likely.",
        ),
        Ranking("error", "error", "How far the model that was trained on it misses its value."),
    )
}
IN_DOUBT = List("in-doubt", "Label in doubt", ("held-out loss", "self-influence", "loss", "error"))
COPIES = List("near-copies", "Near-copies", ("likeness",))
MEMORISED = List("memorised", "Memorised", ("memorisation", "self-influence"))
HARMFUL = List("harmful", "Harmful", ("against its class", "harm"))
LISTS = {each.name: each for each in (IN_DOUBT, COPIES, MEMORISED, HARMFUL)}


def lists_for(has_classes: bool) -> dict[str, List]:
    """The lists of data with classes, which are pictures, or of data with values."""
    if has_classes:
        return LISTS
    in_doubt = List(IN_DOUBT.name, "In doubt", IN_DOUBT.rankings[::-1])
    return {each.name: each for each in (in_doubt, MEMORISED, HARMFUL)}


def first_list(lists: dict[str, List]) -> str:
    """The list to show where the address names none: one that has the ranking which it names, as old links do."""
    by = address.get("by")
    return next((each.name for each in lists.values() if by in each.rankings), IN_DOUBT.name)
