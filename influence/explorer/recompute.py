"""The sidebar's "Recompute": every method and evaluation, with what it costs and its name said before it starts."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from influence import datasets, library
from influence.config import Config
from influence.errors import InfluenceError
from influence.evaluation import EVALUATIONS, Evaluation
from influence.explorer import describing, evaluating, reading, run_form, run_panel
from influence.explorer.run_panel import MEASURE, complain
from influence.explorer.text import sentence
from influence.learners.recipe import Recipe
from influence.library import Entry
from influence.methods import METHODS, Method
from influence.settings import arguments, settings_in_forms
from influence.text import duration

COMPUTE, EVALUATE = "New result", "Evaluation"
_DAY = 24 * 3600.0


def show(entry: Entry) -> None:
    """Draw the expander; while a run is going on, its progress stands there instead."""
    if run_panel.runner().current is not None:
        return
    expander = st.expander("Recompute", key="recompute", on_change="rerun")
    if expander.open:
        with expander:
            _form(entry)


def _form(entry: Entry) -> None:
    what = st.radio(
        "What to compute", [COMPUTE, EVALUATE], key="recompute what", horizontal=True, label_visibility="collapsed"
    )
    if not datasets.is_present(entry.dataset):
        title = datasets.facts(entry.dataset).title
        st.caption(f"This needs the data set: {title} is not on this machine.")
        st.button(f"Download {title}", on_click=run_panel.start, args=(["data", entry.dataset], None), width="stretch")
    elif what == COMPUTE:
        _compute(entry)
    else:
        _evaluate(entry)


# --- a new result ---------------------------------------------------------------------------------------------------


def _compute(entry: Entry) -> None:
    starts = {name: start for name, method in METHODS.items() if (start := starting(method, entry)) is not None}
    if not starts:
        st.caption("No method can be run on these data from here.")
        return
    names = list(starts)
    name = st.selectbox(
        "Method to run",
        names,
        names.index(entry.method) if entry.method in names else 0,
        format_func=lambda name: describing.capital(METHODS[name].title),
        key=f"recompute method {entry.id}",
    )
    method, start = METHODS[name], starts[name]
    settings, config = _settings(method, start, f"{entry.id} {name}")
    st.caption(cost(method, config, entry) if config else "These settings don’t go together.")
    typed = st.text_input("Name", key=f"recompute name {entry.id}", placeholder=_named(method, config))
    st.button(
        "Start run", type="primary", on_click=_start, args=(method, settings, config, typed, entry), width="stretch"
    )
    larger = method.more(start) if name == entry.method else None
    if larger is not None:
        label, more = larger
        st.button(
            label,
            icon=":material/add:",
            help="The same recipe with more models; those that are trained already are kept.",
            on_click=_start,
            args=(method, arguments(more), more, "", entry),
            width="stretch",
        )


def starting(method: type[Method], entry: Entry) -> Config | None:
    """What the form begins with: the result's own settings, or another method's with the same data and learner.

    None where the method can't score these.
    """
    if datasets.facts(entry.dataset).task.what not in method.tasks or entry.method not in METHODS:
        return None
    own = METHODS[entry.method].parse(entry.manifest.settings)
    if entry.method == method.name:
        return own
    recipe = own if isinstance(own, Recipe) else getattr(own, "outcomes", None)
    try:
        return method.starting(recipe) if recipe is not None else None
    except InfluenceError:
        return None


def _settings(method: type[Method], start: Config, scope: str) -> tuple[list[str], Config | None]:
    """Draw a method's settings; return what is typed for them, and the config that they make if they make one."""
    without: tuple[str, ...] = ()
    changes: dict[tuple[str, ...], Any] = {}
    if (family := method.family) is not None:
        own = getattr(start, family.setting)
        members = list(family.members)
        chosen = st.selectbox(
            describing.capital(family.setting), members, members.index(own), key=f"{scope} {family.setting}"
        )
        given = getattr(start, family.settings) if chosen == own else {}
        member = family.members[chosen](**given)
        without = family.without(member)
        changes = {(family.setting,): chosen}
    held = run_form.widgets(start, without, scope)
    if family is not None:
        inner = run_form.widgets(member, (), f"{scope} {chosen}")
        changes[(family.settings,)] = given | run_form.changed(member, inner)
    changes |= held
    try:
        config = _changed(start, changes)
    except InfluenceError as error:
        st.caption(sentence(error))
        config = None
    return arguments(start, changes), config


def _changed(config: Config, changes: Mapping[tuple[str, ...], Any]) -> Config:
    """A config with other values, by the path of their setting."""
    values: dict[str, Any] = {path[0]: new for path, new in changes.items() if len(path) == 1}
    for name in {path[0] for path in changes if len(path) > 1}:
        inner = {path[1:]: new for path, new in changes.items() if path[0] == name and len(path) > 1}
        values[name] = _changed(getattr(config, name), inner)
    return config.replace(**values)


def cost(method: type[Method], config: Config, entry: Entry) -> str:
    """How many trainings a run needs, and about how long they take, going by the result that is shown."""
    many = method.trainings(config)
    if not many:
        return "No training: all models are there already."
    text = f"{many:,} training{'s' if many > 1 else ''}"
    if method.measures and not datasets.facts(entry.dataset).is_quick:
        return f"{text}. The first is timed, and you are told how long the others take before they are trained."
    own = starting(METHODS[entry.method], entry)
    if entry.method != method.name or own is None:
        return f"{text}."
    seconds = entry.manifest.seconds * many * _epochs(config) / (_whole(method, own) * _epochs(own))
    return f"{text}, about {duration(min(seconds, _DAY))} if this machine is as fast as the one that made this result."


def _whole(method: type[Method], config: Config) -> int:
    """How many trainings a run needs that finds none."""
    names = ("models", "held_out", "trainings")
    counted = sum(int(getattr(config, name, 0)) for name in names)
    return max(1, counted + (int(getattr(config, "held_out", 0)) if getattr(config, "ceiling", False) else 0))


def _epochs(config: Config) -> int:
    recipe = getattr(config, "outcomes", config)
    return max(1, int(getattr(getattr(recipe, "learner", None), "epochs", 1)))


def _named(method: type[Method], config: Config | None) -> str:
    return library.unused_name(method.called(config) if config is not None else method.name)


def _start(method: type[Method], settings: list[str], config: Config | None, typed: str, entry: Entry) -> None:
    try:
        name = library.free_name(typed) if typed.strip() else _named(method, config)
    except InfluenceError as error:
        complain(error)
        return
    run = [*(method.verb or (method.name,)), *settings]
    if method.measures and not datasets.facts(entry.dataset).is_quick and method.trainings(config):
        run_panel.start([*run, MEASURE], None, later=name)
    else:
        run_panel.start(run, name)


# --- an evaluation --------------------------------------------------------------------------------------------------


def _evaluate(entry: Entry) -> None:
    possible = {name: each for name, each in EVALUATIONS.items() if evaluating.refusal(entry, each) is None}
    if not possible:
        st.caption("No evaluation is defined for this result.")
        return
    if entry.is_shipped:
        st.caption("The evidence that ships with this result is replaced by what you measure.")
    name = st.selectbox("Evaluation to run", list(possible), key=f"recompute evaluation {entry.id}")
    evaluation = possible[name]
    st.caption(evaluation.title)
    start = evaluation.config()
    scope = f"{entry.id} {name}"
    held = run_form.widgets(start, _OF_THE_RESULT, scope)
    changes = {path: value for path, value in held.items() if value != getattr(start, path[0])}
    try:
        config = _changed(start, changes)
        settings = _options(start, changes)
        st.caption(_cost_of(evaluation, config, entry))
    except InfluenceError as error:
        st.caption(sentence(error))
        return
    first, *then = evaluating.steps(entry, evaluation, settings)
    st.button("Start evaluation", type="primary", on_click=run_panel.start, args=(first, None, then), width="stretch")


_OF_THE_RESULT = ("dataset", "classes", "train_size", "learner")


def _options(start: Config, changes: Mapping[tuple[str, ...], Any]) -> list[str]:
    """What to type for the settings that differ from the defaults."""
    texts = []
    for setting, _ in settings_in_forms(start):
        if setting.path in changes:
            texts += setting.arguments(changes[setting.path])
    return texts


def _cost_of(evaluation: type[Evaluation], config: Config, entry: Entry) -> str:
    data = reading.data_of(entry)
    if data is None:
        return ""
    many = evaluation.trainings(config, data, entry.manifest.k) + evaluating.judges(entry, evaluation)
    if not many:
        return "No training."
    kept = ", less those that are kept of an earlier run" if evaluation.keeps else ""
    return f"At most {many:,} trainings{kept}."
