"""Deep links: the page opens on what the address names, says so, and keeps the address but for defaults.

Only a few words are pinned, in lower case, so that the pages may be redesigned.
"""

import shutil
from pathlib import Path

import pytest

from tests.pinned import adapters

LINKS: list[tuple[str, dict[str, str], list[str]]] = [
    ("images", {"data": "digits", "image": "21", "k": "3"}, ["image 21", "it is **1**", "1 of 3 are of its class"]),
    ("images", {"data": "digits", "result": "shipped-lasso", "image": "1628", "remove": "5"}, ["image 1628", "lasso"]),
    ("images", {"data": "digits", "method": "tracin", "image": "21"}, ["image 21", "tracincp"]),
    ("images", {"data": "digits", "method": "tracin", "train": "0"}, ["training image 0", "self-influence"]),
    ("images", {"data": "digits", "class": "1", "sort": "best explained first", "page": "2"}, ["image"]),
    ("houses", {"house": "18232", "k": "3"}, ["house 18232", "351,900"]),
    ("houses", {"together": "true"}, ["eleven palo alto houses"]),
    ("houses", {"show": "Self-influence", "ring": "3364"}, ["learn by heart"]),
    ("quality", {"of": "digits/tracin"}, ["digits/tracin", "0.271"]),
    ("quality", {"of": "california-housing/tracin"}, ["california-housing/tracin"]),
    ("compare", {"target": "21", "k": "5"}, ["image 21", "digits/datamodels", "digits/tracin"]),
    ("compare", {"target": "21", "third": "digits/datamodels-lasso", "example": "1611"}, ["digits/datamodels-lasso"]),
    ("compare", {"on": "california-housing", "second": "neighbours", "target": "18232"}, ["house 18232", "neighbours"]),
    ("outliers", {"of": "digits/tracin", "example": "746", "by": "loss"}, ["training image 746"]),
    ("outliers", {"example": "746", "fix": "746,12", "label": "4", "order": "lowest first"}, ["training image 746"]),
    ("outliers", {"of": "california-housing/tracin", "fix": "3364"}, ["training house"]),
]
BAD: list[tuple[str, dict[str, str], str]] = [
    ("images", {"data": "digits", "image": "99999"}, "image=99999"),
    ("houses", {"house": "99999"}, "99999"),
    ("quality", {"of": "digits/datamodels", "removed": "3"}, "removed=3"),
    ("compare", {"second": "gone"}, "second=gone"),
    ("outliers", {"by": "beauty"}, "by=beauty"),
]


def described(page: str, query: dict[str, str]) -> str:
    return f"{page}?{'&'.join(f'{key}={value}' for key, value in query.items())}"


@pytest.mark.parametrize(("page", "query", "words"), LINKS, ids=[described(*link[:2]) for link in LINKS])
@pytest.mark.usefixtures("houses")
def test_a_link_opens_on_what_it_names(page: str, query: dict[str, str], words: list[str]) -> None:
    shown = adapters.open_page(page, query)
    assert shown.warnings == ""
    assert shown.query.items() <= query.items()  # what is the default is left out
    assert all(shown.query.get(key) == query[key] for key in set(query) & {"image", "train", "house", "example"})
    for word in words:
        assert word in shown.text.lower()


@pytest.mark.parametrize(("page", "query", "words"), BAD, ids=[described(*link[:2]) for link in BAD])
def test_a_bad_link_is_named_and_the_page_opens(page: str, query: dict[str, str], words: str) -> None:
    shown = adapters.open_page(page, query)
    assert words in shown.warnings
    assert shown.title.lower() == page


def test_a_link_opens_a_result_of_the_users_own(results_home: Path) -> None:
    """One that was written before the package was reorganised."""
    shutil.copytree(Path(__file__).parent / "stored" / "results" / "datamodels", results_home / "mine")
    images = adapters.open_page("images", {"data": "digits", "result": "mine", "image": "21"})
    assert images.warnings == ""
    assert "image 21" in images.text.lower()
    assert "“mine”" in images.text
    quality = adapters.open_page("quality", {"of": "mine"})
    assert quality.warnings == ""
    assert "0.149" in quality.text  # its linear datamodeling score
