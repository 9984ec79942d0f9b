"""Texts that are not ours, such as a folder's name, made harmless for Streamlit's Markdown."""

import re

_MEANS_SOMETHING = re.compile(r"([\\`*_{}\[\]!|~$:<>&^])")
_BEGINS_SOMETHING = re.compile(r"^(#|\+|-|=|\d+[.)])")
_IS_FOUND_LATER = re.compile(r":(?=[\w+/-]+:)|:(?=//)|\bwww(?=\.)")  # in finished text: icons, emoji, addresses
_JOINER = "\u2060"  # no width, no meaning


def escaped(text: object) -> str:
    """A text that Markdown shows as it is: no picture, link, mathematics, colour or icon comes of it.

    A line break becomes a space, so that it can't begin a heading or a list.
    """
    line = _IS_FOUND_LATER.sub(lambda found: found[0] + _JOINER, " ".join(str(text).split()))
    line = _MEANS_SOMETHING.sub(r"\\\1", line)
    return _BEGINS_SOMETHING.sub(lambda found: found[0][:-1] + "\\" + found[0][-1], line)


def sentence(text: object) -> str:
    """One of this project's own sentences, such as an error's: commands in backticks stay, the rest is `escaped`."""
    parts = re.split(r"(`[^`\n]+`)", str(text))
    return "".join(part if place % 2 else _padded(part) for place, part in enumerate(parts))


def _padded(part: str) -> str:
    """Escape a part of a sentence, and keep the spaces around it."""
    return " " * part.startswith(" ") + escaped(part) + " " * (part.endswith(" ") and bool(part.strip()))
