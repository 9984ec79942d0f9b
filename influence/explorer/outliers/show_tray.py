"""The fix list: what the reader has ticked, what is to be done about each, and both CSV files."""

from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from influence.explorer import describing
from influence.explorer.outliers import fixes as fixing
from influence.explorer.outliers import tray
from influence.explorer.outliers.fixes import OUT, Fixes
from influence.explorer.outliers.records import Outliers
from influence.explorer.outliers.show_list import dollars
from influence.explorer.parts.pictures import Pictures
from influence.explorer.text import escaped
from influence.library import Entry

AT_ONCE = 6


def show_downloads(row: DeltaGenerator, outliers: Outliers, fixes: Fixes, ranking: str) -> None:
    """Both files, at the right end of the title."""
    if not fixes:
        return
    corrected = fixing.corrected(outliers, fixes)
    row.download_button(
        "Corrected labels",
        lambda: corrected.to_csv(index=False, float_format="%.10g"),
        file_name="corrected-labels.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        help=f"All {len(corrected):,} training examples that are left, with their labels after the fixes.",
    )
    if not ranking:
        return
    table = fixing.table(outliers, fixes, ranking)
    row.download_button(
        "Fix list",
        lambda: table.to_csv(index=False, float_format="%.6g"),
        file_name="fix-list.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        help=f"The {len(table):,} on the list, with the reason and what is to be done.",
    )


def show_tray(listed: Entry, outliers: Outliers, pictures: Pictures, fixes: Fixes) -> None:
    """What is on the list, the last first, with what is to be done about each."""
    noun = describing.noun(listed)
    with st.container(border=True, key="tray", gap="small"):
        several = f"{len(fixes):,} {noun}" + "s" * (len(fixes) != 1)
        st.header(f"Fix list :gray[{several}]" if fixes else "Fix list", anchor=False)
        if not fixes:
            how = "Tick" if listed.has_classes else "Pick and put"
            st.caption(f"{how} {noun}s to collect them here.")
        with st.container(height=330 if len(fixes) > AT_ONCE else "content", border=False, gap="xsmall"):
            for train, fix in list(fixes.items())[:-101:-1]:
                _show_one(listed, outliers, pictures, train, fix)
        if len(fixes) > 100:
            st.caption(f"The last 100 of {len(fixes):,}; the file has all.")
        with st.container(horizontal=True):
            with st.popover("As text"):
                st.session_state["fix"] = tray.text(listed)
                st.text_input(
                    "Indices on the list", key="fix", placeholder="12, 57", on_change=partial(_typed, listed, outliers)
                )
            if fixes:
                st.button("Clear", on_click=tray.write, args=(listed, outliers, {}))
        if fixes and listed.has_classes:
            st.caption(
                "Suggested is what the model says where that is not the label. A model that learned a wrong label by "
                "heart suggests none."
            )


def _typed(listed: Entry, outliers: Outliers) -> None:
    found, _ = fixing.parse(st.session_state["fix"] or "", outliers)
    tray.write(listed, outliers, found)


def _show_one(listed: Entry, outliers: Outliers, pictures: Pictures, train: int, fix: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"fix_{train}"):
        if (source := pictures("train", train)) is not None:
            st.html(f'<img src="{source}" alt="" width="44" height="44" style="border-radius:6px">', width="content")
        st.markdown(_what(outliers, train), width="stretch")
        options = fixing.options(outliers, train)
        key = f"what to do about {train}"
        st.session_state[key] = fix
        st.selectbox(
            f"What to do about {train}",
            options,
            key=key,
            format_func=lambda option: fixing.words(outliers, option),
            label_visibility="collapsed",
            width=118,
            on_change=partial(_decided, listed, outliers, train, key),
            disabled=options == [OUT],
        )
        st.button(
            "",
            key=f"take {train} off the list",
            help=f"Take {train} off the list",
            icon=":material/close:",
            type="tertiary",
            on_click=tray.put,
            args=(listed, outliers, [train], False),
        )


def _what(outliers: Outliers, train: int) -> str:
    label, said = outliers.table["label"][train], outliers.table["suggested"][train]
    if outliers.houses is not None:
        return f":small[house **{train}**  \n{escaped(dollars(float(label)))}]"
    second = f"model says **{escaped(said)}**" if said else "model agrees" if outliers.says else f"image {train}"
    return f":small[labelled **{escaped(label)}**  \n{second}]"


def _decided(listed: Entry, outliers: Outliers, train: int, key: str) -> None:
    fixes, _ = fixing.parse(tray.text(listed), outliers)
    tray.write(listed, outliers, fixes | {train: st.session_state[key]})
