"""The first page: a real image, a real house and a measured number, and three doors."""

import streamlit as st

from influence import datasets, homes, library
from influence.errors import InfluenceError
from influence.evidence import Evaluated
from influence.explorer import choosing, describing, frame, reading
from influence.explorer.home import records, show_house, show_image, tour
from influence.explorer.home.records import Share
from influence.explorer.menu import PAGES
from influence.library import Entry

_PICTURES = 4  # on each door


def show() -> None:
    """Draw the page."""
    with frame.frame("home"):
        st.title(PAGES["home"].question, anchor=False)
        st.markdown(
            ":gray[Pick a prediction. See the examples that helped it and the ones that hurt it, and how far to trust "
            "the answer.]"
        )
        tour.show()
        found = list(library.every()[0].values())
        image = _best([each for each in found if describing.home_of(each) == "images"])
        house = _best([each for each in found if describing.home_of(each) == "houses"])
        if image is None and house is None:
            st.info(
                f"There is no result yet in {homes.results_home()}. `python -m influence tracin digits` makes one in "
                "seconds."
            )
        left, right = st.columns([2.45, 1], gap="small")
        if image is not None:
            with left, st.container(border=True, height="stretch", key="card image"):
                show_image.show(image)
        if house is not None:
            with right, st.container(border=True, height="stretch", key="card house"):
                show_house.show(house)
        _doors(image, found)


def _best(entries: list[Entry]) -> Entry | None:
    """The result with most evidence; one that ships, and one whose pictures are there, before others."""

    def worth(entry: Entry) -> tuple[bool, bool, int]:
        return entry.is_shipped, choosing.has_pictures(entry.dataset), reading.evidence_kinds(entry)

    return max(entries, key=worth, default=None)


# --- doors ----------------------------------------------------------------------------------------------------------


def _doors(image: Entry | None, found: list[Entry]) -> None:
    first, second, third = st.columns(3, gap="small")
    pictures = None if image is None else reading.pictures_of(image, reading.data_or_none(image))
    with first, st.container(border=True, height="stretch", key="door images"):
        if image is not None and pictures is not None:
            wrong = records.mistakes(reading.read(image), pictures.has, _PICTURES)
            show_image.thumbnails(pictures, "test", wrong, "Images that the model gets wrong")
        st.subheader("Why did the model say that?", anchor=False)
        st.markdown(":gray[Click an image or a house. What helped and what hurt appears beside it.]")
        query: dict[str, str] = {"show": "mistakes"} | ({} if image is None else describing.page_of(image)[1])
        _door("images", "Start with the mistakes", query)
    with second, st.container(border=True, height="stretch", key="door outliers"):
        if image is not None and pictures is not None:
            suspects = records.suspects(_evidence(image), pictures.has, _PICTURES)
            show_image.thumbnails(pictures, "train", suspects, "Training images whose labels are in doubt")
        st.subheader("What is wrong with my training data?", anchor=False)
        st.markdown(":gray[The training examples that fit worst, worst first. Rare is not wrong: look before you fix.]")
        _door("outliers", "See the outliers", {} if image is None else describing.page_of(image)[1])
    with third, st.container(border=True, height="stretch", key="door quality"):
        _trust([each for each in (image, *found) if each is not None])


def _trust(entries: list[Entry]) -> None:
    """A number that says how far to trust scores, from the first result that was tried out."""
    known = _tried_out(entries)
    if known is not None:
        _, share = known
        with st.container(key="verdict number"):
            st.markdown(f"## {share.changed} of {share.of}")
    st.subheader("How far can I trust this?", anchor=False)
    said = "What happened when training examples were really taken out, and what chance would do."
    st.markdown(f":gray[{said if known is None else _in_words(*known)}]")
    _door("quality", "See the evidence", {} if known is None else {"of": known[0].id})


def _door(page: str, label: str, query: dict[str, str]) -> None:
    st.page_link(
        PAGES[page].file, label=f"**{label}**", icon=":material/arrow_forward:", icon_position="right",
        query_params=query,
    )  # fmt: skip


def _tried_out(entries: list[Entry]) -> tuple[Entry, Share] | None:
    """The first of the results that was tried out by removal, and what that showed."""
    for entry in entries:
        removal = _evidence(entry).removal
        if removal is not None and (share := records.share(removal)) is not None:
            return entry, share
    return None


def _evidence(entry: Entry) -> Evaluated:
    try:
        return reading.evaluated(entry)
    except InfluenceError:  # the pages of the result say what is wrong with it
        return Evaluated()


def _in_words(entry: Entry, share: Share) -> str:
    random = "none did" if not share.at_random else f"{share.at_random} did"
    title, noun = datasets.facts(entry.dataset).title, describing.noun(entry)
    return (
        f"So many {title} predictions changed when the {share.count} training {noun}s that "
        f"helped them most were taken out. Without {share.count} random ones, {random}."
    )
