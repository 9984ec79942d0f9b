"""The quality page: the verdict first, then what it rests on, charts, and caveats."""

import streamlit as st

from influence.errors import InfluenceError
from influence.evidence import Evaluated
from influence.explorer import choosing, describing, reading, verdicts
from influence.explorer.frame import frame, title
from influence.explorer.quality import words
from influence.explorer.quality.show_labels import show_mislabels, show_near_copies
from influence.explorer.quality.show_overview import show_all, show_figures
from influence.explorer.quality.show_removal import show_removal
from influence.explorer.quality.show_unseen import show_scaling, show_unseen
from influence.explorer.text import escaped, sentence
from influence.library import Entry


def show() -> None:
    """Draw the page."""
    with frame("quality") as choices:
        row = title("quality")
        entries = choosing.shown_on("quality")
        known = {id_: _evaluated(entry) for id_, entry in entries.items()}
        with choices:
            listed = choosing.choose_result(
                entries, with_result=("removed", "find"), best=lambda entry: len(known[entry.id].kinds)
            )
        if describing.home_of(listed) != "quality":
            page, link = describing.page_of(listed)
            row.page_link(page, label="Browse this result", icon=":material/arrow_forward:", query_params=link)
        show_verdict(listed, known[listed.id])
        show_unseen(listed, known[listed.id])
        show_removal(listed, known[listed.id].removal)
        show_mislabels(listed, known[listed.id].mislabels)
        show_near_copies(listed, known[listed.id].near_copies)
        show_scaling(listed, known[listed.id].scaling)
        show_caveats(listed, known[listed.id])
        show_all(entries, known, listed)


def _evaluated(entry: Entry) -> Evaluated:
    """The evidence about a result; what is wrong with the result itself stands in the place of it."""
    try:
        return reading.evaluated(entry)
    except InfluenceError as error:
        return Evaluated(problems=[str(error)])


def show_verdict(listed: Entry, found: Evaluated) -> None:
    """How far to trust the result, in a line; why, in sentences with figures; and what the result rests on."""
    for problem in found.problems:
        st.warning(sentence(problem))
    verdict = verdicts.verdict(listed.manifest, found)
    with st.container(border=True, key="verdict"):
        st.caption(f"{escaped(listed.id)}: {escaped(listed.manifest.title)}, on {escaped(listed.dataset)}")
        st.header(verdict.headline, anchor=False)
        rests = verdicts.rests_on(listed.manifest, found.scaling)
        said = [*verdict.why, *([f"**What it rests on.** {rests}"] if rests else [])]
        st.markdown("\n".join(f"- {each}" for each in said))
    show_figures(listed, found)


def show_caveats(listed: Entry, found: Evaluated) -> None:
    """What was compared, and what the figures do not say."""
    with st.expander("What the figures do not say"):
        for heading, notes in words.caveats(listed.manifest, found).items():
            st.markdown(f"**{heading}**\n" + "".join(f"\n- {sentence(note)}" for note in notes))
        st.caption(
            f"{escaped(listed.manifest.learner)} · made {listed.manifest.created[:10]} · result "
            f"“{escaped(listed.id)}”. Every figure is in the result’s folder, with its config and seeds."
        )
