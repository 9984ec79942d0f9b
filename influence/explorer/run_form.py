"""The form that starts a run: a widget for each setting of a config, derived from its field."""

import math
from collections.abc import Collection, Mapping
from typing import Any, Literal, get_args, get_origin

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from influence.config import Config, Real
from influence.errors import InfluenceError
from influence.settings import Setting, settings_in_forms

_LETTERS = 8  # of a word that fits into half of the sidebar beside the sign for help


def widgets(start: Config, without: Collection[str] = (), scope: str = "") -> dict[tuple[str, ...], Any]:
    """Draw the widgets of a config, two a row, and return what they hold, by each setting's path.

    Limits that are not themselves allowed, such as above 0, are left to the run, which says what is wrong: a browser
    would keep the last allowed value without a word.

    Parameters
    ----------
    start : Config
        What the widgets hold first.
    without : collection of str
        Settings that are not drawn.
    scope : str
        What tells these widgets from others on the page, and from those of another result.
    """
    drawn = [(setting, value) for setting, value in settings_in_forms(start) if setting.name not in without]
    held = {}
    columns: list[DeltaGenerator] = []
    for setting, value in drawn:
        if not _is_narrow(setting):
            columns = []
            where = st.container()
        else:
            columns = columns[1:] or [*st.columns(2)]
            where = columns[0]
        with where:
            held[setting.path] = widget(setting, value, f"{scope} {setting.path}")
    return held


def _is_narrow(setting: Setting) -> bool:
    """Whether half of the sidebar holds the setting's label."""
    return max(len(word) for word in setting.label.split()) <= _LETTERS


def changed(start: Config, held: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    """The settings whose widgets hold something else than what they began with, by name."""
    drawn = ((each, value) for each, value in settings_in_forms(start) if each.path in held)
    return {each.name: held[each.path] for each, value in drawn if held[each.path] != value}


def widget(setting: Setting, value: Any, key: str | None = None) -> Any:
    """Draw the widget of a setting, and return what it holds."""
    kind = setting.kind
    if kind is bool and not setting.is_optional:
        return st.checkbox(setting.label, value, key, setting.help)
    if kind is bool or get_origin(kind) is Literal:
        choices = [*([None] if setting.is_optional else []), *((True, False) if kind is bool else get_args(kind))]
        place = choices.index(value)
        return st.selectbox(setting.label, choices, place, _in_words, key, setting.help)
    if kind in (int, float, Real):
        return _number(setting, value, key)
    text = st.text_input(setting.label, setting.text(value), key=key, placeholder="default", help=setting.help).strip()
    try:
        return setting.read(text or None)
    except InfluenceError:
        return text  # which the run refuses


def _in_words(choice: Any) -> str:
    words = {None: "default", True: "yes", False: "no"}
    return words.get(choice, str(choice))


def _number(setting: Setting, value: Any, key: str | None) -> Any:
    low, high = (setting.limit(name) for name in ("ge", "le"))
    if setting.kind is int:
        return st.number_input(setting.label, low, high, value, 1, key=key, help=setting.help)
    low, high, value = (None if each is None else float(each) for each in (low, high, value))
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 1) if value else 0.01
    return st.number_input(setting.label, low, high, value, step, "%g", key, setting.help)
