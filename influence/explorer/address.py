"""The address as the truth: every selector shows what the address says, and a change of it is one step of history.

A widget gets its value from the address in every run, and writes it back when it changes, so what it shows is what the
page uses, after Back, after a link, and after its options changed. What the address asks for and can't be shown is said
on the page. A value that is the default is left out of the address.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from influence.explorer.text import escaped

Draw = Callable[..., Any]  # a Streamlit widget, given its label and whatever else is its own

_WHOLE = re.compile(r"[+-]?\d{1,15}")
_NUMBER = re.compile(r"[+-]?(\d{1,15}(\.\d{0,15})?|\.\d{1,15})")


# --- reading and writing --------------------------------------------------------------------------------------------


def said() -> dict[str, list[str]]:
    """The parameters of the address; one that is given twice has two values."""
    return {key: st.query_params.get_all(key) for key in st.query_params}


def get(key: str) -> str | None:
    """What the address says for a key; None where it says nothing, or more than one thing."""
    values = st.query_params.get_all(key)
    return values[0] if len(values) == 1 else None


def go(**changes: object) -> None:
    """Change the address in one step of history; None takes a parameter out. For callbacks, before the page runs again.

    ``address.go(image=3, train=None)``
    """
    before = said()
    after = {key: values for key, values in before.items() if key not in changes}
    after |= {key: _spelled(value) for key, value in changes.items() if value is not None}
    if after != before:
        st.query_params.from_dict(after)
        _remember(after)


def _spelled(value: object) -> list[str]:
    if isinstance(value, tuple | list):
        return [text for each in value for text in _spelled(each)]
    if isinstance(value, bool):
        return [str(value).lower()]
    return [f"{value:g}" if isinstance(value, float) else str(value)]


# --- pages ----------------------------------------------------------------------------------------------------------


def arrive(page: str) -> None:
    """Note which page is shown, and its address. `frame` calls it first."""
    st.session_state["has arrived"] = st.session_state.get("page shown") != page
    st.session_state["page shown"] = page
    _remember(said())


def has_arrived() -> bool:
    """Whether the reader has just come to this page, from another or from outside."""
    return bool(st.session_state["has arrived"])


def remembered(page: str) -> dict[str, list[str]]:
    """The address that a page had when the reader left it; links of the sidebar lead there."""
    return dict(st.session_state.get("addresses", {}).get(page, {}))


def look_at(dataset: str) -> None:
    """Note which data set the reader looks at: a page that shows several opens on it."""
    st.session_state["data set shown"] = dataset


def looked_at() -> str | None:
    """The data set that the reader last looked at; None before the first."""
    name: str | None = st.session_state.get("data set shown")
    return name


def _remember(address: Mapping[str, Sequence[str]]) -> None:
    page = st.session_state.get("page shown")
    st.session_state["addresses"] = {**st.session_state.get("addresses", {}), page: dict(address)}


# --- what can't be shown --------------------------------------------------------------------------------------------


def refuse(key: str, why: str) -> None:
    """Say that the address asks for something that is not shown.

    Parameters
    ----------
    key : str
        Of the parameter.
    why : str
        The rest of the sentence, in Markdown: "there is no such result, so “shipped” is shown."
    """
    asked = " and ".join(f"{key}={escaped(value)}" for value in st.query_params.get_all(key))
    st.warning(f"The link asks for {asked}: {why}")


# --- selectors ------------------------------------------------------------------------------------------------------


def choose(
    key: str,
    options: Sequence[Any],
    draw: Draw,
    *,
    default: Any = None,
    is_optional: bool = False,
    below: Sequence[str] = (),
    also: Mapping[str, object] | None = None,
    why: str = "there is no such choice, so “{}” is shown.",
) -> Any:
    """Draw a selector, and return what it shows.

    ``choose("data", names, partial(st.segmented_control, "Data set", required=True), below=("image", "train"))``

    Parameters
    ----------
    key : str
        Of the parameter, and of the widget.
    options : sequence
        Their text is what the address says; what the reader sees is the widget's ``format_func``.
    draw : callable
        A widget with its label; it is given the options, ``key`` and ``on_change``.
    default
        Shown where the address says nothing; the first option if None, unless ``is_optional``.
    is_optional : bool
        Whether nothing may be chosen, which is None.
    below : sequence of str
        Parameters that belong to what was chosen before: a change takes them out of the address.
    also : mapping or None
        What a change writes into the address as well. The choice is then written even where it is the default.
    why : str
        See `refuse`; ``{}`` is what is shown instead.
    """
    fallback = default if default is not None or is_optional else options[0]
    known = {_key(option): option for option in options}
    asked = get(key)
    shown = known.get(_key(asked), fallback) if asked is not None else fallback
    st.session_state[key] = shown
    draw(options, key=key, on_change=partial(_changed, key, fallback, tuple(below), also))
    if st.query_params.get_all(key) and (asked is None or _key(asked) not in known):
        refuse(key, why.format(escaped("nothing" if shown is None else str(shown))))
    return shown


def flag(key: str, draw: Draw, *, default: bool = False, below: Sequence[str] = (), why: str = "") -> bool:
    """Draw a toggle or checkbox: ``flag("together", partial(st.toggle, "All eleven together"))``."""
    known = {"true": True, "false": False}
    asked = get(key)
    shown = known.get((asked or "").casefold(), default)
    st.session_state[key] = shown
    draw(key=key, on_change=partial(_changed, key, default, tuple(below)))
    if st.query_params.get_all(key) and (asked or "").casefold() not in known:
        refuse(key, why or f"that is neither true nor false, so it is {'on' if shown else 'off'}.")
    return shown


def number(
    key: str,
    low: int,
    high: int,
    draw: Draw,
    *,
    default: int | None = None,
    is_known: Callable[[int], bool] | None = None,
    below: Sequence[str] = (),
    also: Mapping[str, object] | None = None,
    why: str = "",
) -> int | None:
    """Draw a box for a whole number, and return what it shows.

    ``number("k", 1, 20, partial(st.number_input, "How many"), default=10)``

    Parameters
    ----------
    key : str
    low, high : int
        The least and the greatest that can be shown.
    draw : callable
        ``st.number_input`` or ``st.slider`` with its label.
    default : int or None
        Shown where the address says nothing; None is an empty box.
    is_known : callable or None
        Whether a number between them can be shown; None is that all can.
    below, also
        See `choose`.
    why : str
        See `refuse`; by default it states the limits.
    """
    values = st.query_params.get_all(key)
    asked = whole(values[0]) if len(values) == 1 else None
    is_good = asked is not None and low <= asked <= high and (is_known is None or is_known(asked))
    shown = asked if is_good else default
    if asked is not None and is_known is None and default is not None and not is_good:
        shown = min(max(asked, low), high)
    st.session_state[key] = shown
    draw(low, high, step=1, key=key, on_change=partial(_changed, key, default, tuple(below), also))
    if values and not is_good:
        instead = "none is shown" if shown is None else f"{shown} is shown"
        refuse(key, why.format(shown) if why else f"it must be a whole number from {low} to {high}, so {instead}.")
    return shown


def span(
    key: str,
    low: float,
    high: float,
    step: float,
    draw: Draw,
    *,
    below: Sequence[str] = (),
    also: Mapping[str, object] | None = None,
    why: str = "",
) -> tuple[float, float]:
    """Draw a slider with two ends, and return them; the address has the parameter twice. `choose` explains the rest.

    ``span("margin", -5.0, 9.5, 0.5, partial(st.slider, "Margin"))``
    """
    values = [real(value) for value in st.query_params.get_all(key)]
    ends = [value for value in values if value is not None and low <= value <= high]
    is_good = len(values) == len(ends) == 2 and ends[0] <= ends[1]
    shown = (ends[0], ends[1]) if is_good else (low, high)
    st.session_state[key] = shown
    draw(low, high, step=step, key=key, on_change=partial(_changed, key, (low, high), tuple(below), also))
    if values and not is_good:
        refuse(key, why or f"it must be two numbers from {low:g} to {high:g}, the lower first, so all are shown.")
    return shown


def text(key: str, draw: Draw, *, below: Sequence[str] = ()) -> str:
    """Draw a text box, and return what is in it: ``text("find", partial(st.text_input, "Find"))``."""
    shown = get(key) or ""
    st.session_state[key] = shown
    draw(key=key, on_change=partial(_changed, key, "", tuple(below)))
    if len(st.query_params.get_all(key)) > 1:
        refuse(key, "it can be one thing only, so none is shown.")
    return shown


def _changed(key: str, default: Any, below: tuple[str, ...], also: Mapping[str, object] | None = None) -> None:
    now = st.session_state[key]
    said_too = {**dict.fromkeys(below), **(also or {})}
    go(**{**said_too, key: None if now == default and also is None else now})


def _key(option: object) -> str:
    return _spelled(option)[0].casefold() if option is not None else "none"


# --- numbers of links -----------------------------------------------------------------------------------------------


def whole(text: str) -> int | None:
    """A whole number as people write it; None for anything else, such as 1e3, inf or 1.5."""
    return int(text) if _WHOLE.fullmatch(text.strip()) else None


def real(text: str) -> float | None:
    """A finite number as people write it; None for anything else, such as 1e999 or nan."""
    value = float(text) if _NUMBER.fullmatch(text.strip()) else math.nan
    return value if math.isfinite(value) else None
