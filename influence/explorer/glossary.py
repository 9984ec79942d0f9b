"""The words of the explorer: one list, to which every term can be linked."""

import re

WORDS = {
    "Helped": "A training example that helped made what is explained larger: the margin of an image, or how close a "
    "price came. The field calls it a proponent.",
    "Hurt": "A training example that hurt made it smaller. The field calls it an opponent.",
    "Score": "One number for a test and a training example. Positive helped, negative hurt. Compare scores within one "
    "list: those of different methods have different units.",
    "Target": "The test example that is explained.",
    "Margin": "How sure a model is: the log-odds of the right class against all others. Above zero the right class has "
    "more than half of the probability. A model can be right with a negative margin, where several classes share the "
    "rest.",
    "LDS": "Linear datamodeling score: how well the scores predict models trained on subsets that the scores have not "
    "seen. 0 is chance, 1 is perfect.",
    "Ceiling": "Training twice on the same subset gives two different models. What they have in common is the most "
    "that any scores could predict.",
    "Alpha": "The share of the training examples that each model of a datamodel saw.",
    "Data support": "The fewest training examples whose removal is predicted to turn the answer.",
    "Control": "The same done to as many random training examples. What happens there too is no effect.",
    "Self-influence": "The score of a training example for itself. High means that the model had to learn it by "
    "heart: a rare example, or a wrong one.",
    "Memorisation": "How much surer models are of a training example when they have seen it.",
    "Near-copy": "A training image that is almost the same picture as a test image. Being right on that says little.",
    "Overlap": "The share of the strongest examples that two rankings have in common. By chance it is their number "
    "over all training examples.",
    "Shipped": "A result that comes with this project. Others are made on this computer.",
}


def anchor(word: str) -> str:
    """What a link to a word leads to: ``word-data-support``."""
    return "word-" + re.sub(r"[^a-z]+", "-", word.lower())


def link(word: str, shown: str | None = None) -> str:
    """A term, in Markdown, that opens the glossary at its word: ``glossary.link("LDS")``.

    Raises
    ------
    KeyError
        If the glossary has no such word.
    """
    if word not in WORDS:
        raise KeyError(word)
    return f"[{shown or word}](#{anchor(word)})"
