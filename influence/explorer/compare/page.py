"""The compare page: one example, two or three rankings side by side, and how much they agree."""

import streamlit as st

from influence.explorer import choosing, describing, reading
from influence.explorer.compare import records, show_agreement, show_choices, show_houses, show_images
from influence.explorer.compare.nearest import nearest
from influence.explorer.compare.records import NEIGHBOURS
from influence.explorer.frame import frame, title


def show() -> None:
    """Draw the page."""
    with frame("compare") as choices:
        row = title("compare")
        entries = choosing.shown_on("compare")
        with choices:
            name = show_choices.choose_dataset(entries)
            of_it = {id_: each for id_, each in entries.items() if each.dataset == name}
            chosen = show_choices.choose_rankings(of_it)
        listed = {id_: of_it[id_] for id_ in chosen if id_ != NEIGHBOURS}
        read = {id_: reading.read(each) for id_, each in listed.items()}
        compared = list(read.values())
        if not compared:
            st.error("Neighbours are a reference for results: choose at least one result.", icon=":material/error:")
            return
        for other in compared[1:]:
            if why := describing.why_not_together(compared[0], other):
                st.error(why, icon=":material/error:")
                return
        first = listed[compared[0].name]
        with choices:
            k = show_choices.choose_k(compared)
        target = show_choices.choose_target(row, first, compared)
        whole = reading.data_of(first)
        rankings = [
            nearest(whole, first, target, int(compared[0].manifest.k))
            if id_ == NEIGHBOURS and whole is not None
            else records.ranking(read[id_], target)
            for id_ in chosen
            if id_ != NEIGHBOURS or whole is not None
        ]
        if first.has_classes:
            show_images.show(listed, compared, rankings, target, k, reading.pictures_of(first, whole))
        else:
            show_houses.show(listed, compared, rankings, target, k, whole)
        page, link = describing.page_of(first, target=target)
        st.page_link(
            page, label=f"Open this {describing.noun(first)}", icon=":material/arrow_forward:", query_params=link
        )
        show_agreement.show(listed, compared, rankings)
        show_agreement.about(listed, rankings, compared[0])
