"""Where the fix list is kept: in the address, so that a link carries it, and in the session, so that it stays."""

from collections.abc import Sequence

import streamlit as st

from influence.explorer import address
from influence.explorer.outliers import fixes as fixing
from influence.explorer.outliers.fixes import Fixes
from influence.explorer.outliers.records import Outliers
from influence.library import Entry


def text(listed: Entry) -> str:
    """The list as the address has it, else as it was left in this session."""
    said = address.get("fix")
    kept = _kept()
    if said is not None:
        kept[_key(listed)] = said
    return kept.get(_key(listed), "")


def read(listed: Entry, outliers: Outliers) -> dict[int, str]:
    """The fixes; what of the list names no training example is said and left out."""
    found, unknown = fixing.parse(text(listed), outliers)
    if unknown:
        address.refuse("fix", f"there is no training example {', '.join(unknown[:5])}, so that is left out.")
    return found


def write(listed: Entry, outliers: Outliers, fixes: Fixes) -> None:
    """Keep these fixes. For callbacks."""
    spelled = fixing.spelled(fixes, outliers)
    _kept()[_key(listed)] = spelled
    address.go(fix=spelled or None)


def put(listed: Entry, outliers: Outliers, trains: Sequence[int], on: bool) -> None:
    """Put training examples on the list, or take them off. For callbacks."""
    found, _ = fixing.parse(text(listed), outliers)
    write(listed, outliers, fixing.changed(found, trains, on, outliers))


def _kept() -> dict[tuple[object, ...], str]:
    kept: dict[tuple[object, ...], str] = st.session_state.setdefault("fix lists", {})
    return kept


def _key(listed: Entry) -> tuple[object, ...]:
    return (listed.dataset, listed.manifest.part)
