"""What of the outliers is shown: the list, its ranking, filters, order, and the example that is looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from influence.errors import InfluenceError
from influence.evidence import MislabelsEvidence
from influence.explorer import address, describing, glossary
from influence.explorer.outliers.fixes import Fixes
from influence.explorer.outliers.rankings import IN_DOUBT, RANKINGS, first_list, lists_for
from influence.explorer.outliers.records import AGREE, ALL, DISAGREE, ON_LIST, ORDERS, Filters, Outliers
from influence.explorer.parts.pictures import Pictures
from influence.explorer.text import escaped, sentence
from influence.library import Entry

FIRST_SHEET = ("sheet",)
TARGETS = 10  # of either sign, beside the example that is looked at
_FIRST_ROWS = 10


@dataclass(frozen=True)
class Choice:
    """What is shown.

    Parameters
    ----------
    list : str
    ranking : str
    trains : sequence of int
        The training examples that pass all filters, in order.
    picked : int or None
        The one that is looked at; None where none passes.
    """

    list: str
    ranking: str
    trains: Sequence[int]
    picked: int | None


def list_of(listed: Entry) -> str:
    """The list that the address names, or else the first."""
    lists = lists_for(listed.has_classes)
    said = address.get("list")
    return said if said in lists else first_list(lists)


def _rankings_of(outliers: Outliers, name: str) -> list[str]:
    return [each for each in lists_for(bool(outliers.classes))[name].rankings if each in outliers.rankings]


def ranking_of(outliers: Outliers) -> str:
    """The ranking that the address names, or else the first of the list; "" where nothing ranks the examples."""
    lists = lists_for(bool(outliers.classes))
    said = address.get("list")
    rankings = _rankings_of(outliers, said if said in lists else first_list(lists))
    by = address.get("by")
    return by if by in rankings else next(iter(rankings), "")


def trust_in(ranking: str, mislabels: MislabelsEvidence | None) -> tuple[str, str]:
    """How many flipped labels a ranking finds, as a heading and a sentence."""
    of_evidence = RANKINGS[ranking].evidence if ranking else ""
    if not of_evidence:
        return "Trust: look yourself", "This order was not tried on labels made wrong on purpose."
    if mislabels is None:
        return "Trust: not evaluated", "Nobody has tried this order on labels made wrong on purpose."
    shares = {flips: found[of_evidence].at_20.mean for flips, found in mislabels.found.items() if of_evidence in found}
    how = {"uniform": "at random", "adversarial": "to the likeliest wrong class"}
    first, *others = (f"{share:.0%} {how.get(flips, flips)}" for flips, share in shares.items())
    more = "".join(f", {each}" for each in others)
    return f"Trust: finds {first.split(' ')[0]}", (
        f"of labels made wrong on purpose, in the top 20 % of this order: {first}{more}."
    )


def choose(listed: Entry, outliers: Outliers, pictures: Pictures, fixes: Fixes) -> Choice | None:
    """Draw the selectors; None where nothing is known that could be listed."""
    lists = lists_for(listed.has_classes)
    row = st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="lists")
    with row:
        name: str = address.choose(
            "list",
            list(lists),
            partial(
                st.segmented_control,
                "List",
                required=True,
                wrap=True,
                label_visibility="collapsed",
                format_func=lambda each: lists[each].title,
            ),
            default=first_list(lists),
            below=("by", *FIRST_SHEET),
        )
        rankings = _rankings_of(outliers, name)
        if not rankings:
            return None
        ranking: str = address.choose(
            "by",
            rankings,
            partial(
                st.selectbox,
                "Ranked by",
                label_visibility="collapsed",
                width=226,
                format_func=lambda each: f"Ranked by {RANKINGS[each].title}",
            ),
            below=FIRST_SHEET,
            also={"list": name},
            why="that is not known here, so “{}” is shown.",
        )
    filters, order = _choose_filters(outliers, ranking, fixes)
    about = RANKINGS[ranking].says + (" Rare is not wrong: look before you fix." if name == IN_DOUBT.name else "")
    st.caption(about)
    trains = _passing(outliers, filters, ranking, order, list(fixes))
    return Choice(name, ranking, trains, _choose_example(listed, outliers, pictures, trains))


def sources(outliers: Outliers, ranking: str) -> str:
    """Where the ranking comes from, and whose model says what the examples are."""
    says = f" “Model says” is {escaped(outliers.says)}." if outliers.says not in ("", "this result") else ""
    return f"Ranked by {RANKINGS[ranking].title}, from {escaped(outliers.rankings[ranking])}.{says}"


def _choose_order() -> tuple[str, str]:
    """The order, and the indices that are sought."""
    with st.popover("", icon=":material/tune:", help="Order, and single indices", key="order_popover"):
        order: str = address.choose("order", ORDERS, partial(st.radio, "Sort"), below=FIRST_SHEET)
        indices = address.text("find", partial(st.text_input, "Indices", placeholder="12, 100-200"), below=FIRST_SHEET)
    return order, indices


def _choose_filters(outliers: Outliers, ranking: str, fixes: Fixes) -> tuple[Filters, str]:
    label = agreement = ALL
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="filters"):
        options, counts = _counts(outliers, ranking, fixes)
        agreement = address.choose(
            "agree",
            options,
            partial(
                st.pills,
                "Show",
                required=True,
                wrap=True,
                label_visibility="collapsed",
                format_func=lambda each: f"{_CHIPS[each]} :gray[{counts[each]:,}]",
            ),
            below=FIRST_SHEET,
            why="there is no such choice, so all are shown.",
        )
        if outliers.classes:
            label = address.choose(
                "label",
                [ALL, *outliers.classes],
                partial(
                    st.selectbox,
                    "Class",
                    label_visibility="collapsed",
                    width=128,
                    format_func=lambda each: "Any class" if each == ALL else each,
                ),
                below=FIRST_SHEET,
                why="there is no such class, so any is shown.",
            )
        order, indices = _choose_order()
    return Filters(label, agreement, indices), order


_CHIPS = {ALL: "All", DISAGREE: "Model disagrees", AGREE: "Agrees", ON_LIST: "On the list"}


def _counts(outliers: Outliers, ranking: str, fixes: Fixes) -> tuple[list[str], dict[str, int]]:
    """The chips that make sense, and how many training examples each shows."""
    ranked = outliers.table[outliers.table[ranking].notna()]
    wrong = int((~ranked["agrees"].astype(bool)).sum())
    counts = {
        ALL: len(ranked),
        DISAGREE: wrong,
        AGREE: len(ranked) - wrong,
        ON_LIST: int(ranked.index.isin(list(fixes)).sum()),
    }
    known = [ALL, DISAGREE, AGREE, ON_LIST] if outliers.says else [ALL, ON_LIST]
    return known, counts


def _passing(outliers: Outliers, filters: Filters, ranking: str, order: str, fixed: Sequence[int]) -> list[int]:
    try:
        return outliers.listed(filters, ranking, order, fixed)
    except InfluenceError as error:
        st.warning(sentence(error))
        return outliers.listed(Filters(filters.label, filters.agreement), ranking, order, fixed)


def _choose_example(listed: Entry, outliers: Outliers, pictures: Pictures, trains: Sequence[int]) -> int | None:
    """The training example that is looked at: the one asked for, else among the first of the list."""
    if "example" not in address.said():
        return outliers.most_telling(trains[:_FIRST_ROWS], TARGETS, pictures) if trains else None
    number = address.whole(address.get("example") or "")
    if number is None or number not in outliers.table.index:
        noun = describing.noun(listed)
        address.refuse("example", f"there is no such training {noun}, so the first of the list is shown.")
        return trains[0] if trains else None
    return number


def glossed(ranking: str) -> str:
    """A ranking's name, linked to the glossary where that has it."""
    word: Any = ranking.capitalize()
    return glossary.link(word, ranking) if word in glossary.WORDS else ranking
