"""The sidebar's selectors and its form of a run: what is shown is what is used, and what it costs is said before."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from influence import homes, library
from influence.explorer import evaluating, recompute, run_panel
from influence.methods import METHODS


def page() -> None:
    import streamlit as st

    from influence.explorer import address, choosing, run_panel

    address.arrive("images")
    with st.sidebar:
        entry = choosing.choose_result(choosing.shown_on("compare"), leaves=("image",))
        run_panel.show("images")
    st.markdown(f"shown: {entry.id}")


def opened(**link: str) -> AppTest:
    app = AppTest.from_function(page, default_timeout=60)
    for key, value in link.items():
        app.query_params[key] = value
    return app.run()


def shown(app: AppTest) -> str:
    return next(text.value for text in app.markdown if text.value.startswith("shown")).removeprefix("shown: ")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would have been started."""
    calls: list[Any] = []
    monkeypatch.setattr(run_panel.Runner, "start", lambda self, *arguments: calls.append(arguments) or _Started())
    return calls


class _Started:
    number = 1


@pytest.mark.parametrize(
    ("link", "id_"),
    [
        ({}, "cifar10/datamodels"),
        ({"data": "digits"}, "digits/datamodels"),
        ({"data": "digits", "method": "tracin"}, "digits/tracin"),
        ({"data": "digits", "result": "shipped-lasso"}, "digits/datamodels-lasso"),
        ({"of": "digits/tracin"}, "digits/tracin"),
        ({"of": "california-housing/tracin"}, "california-housing/tracin"),
    ],
)
def test_a_link_names_a_result_in_either_way(link: dict[str, str], id_: str) -> None:
    app = opened(**link)
    assert not app.exception
    assert shown(app) == id_
    assert not app.warning


def test_switches_leave_every_selector_at_what_is_shown() -> None:
    app = opened(data="digits", result="shipped-lasso", image="3")
    app.segmented_control(key="method").set_value("tracin").run()
    assert shown(app) == "digits/tracin"
    assert app.selectbox(key="result").value == "shipped"
    assert app.query_params["image"] == "3"
    app.selectbox(key="data").set_value("cifar10").run()
    assert shown(app) == "cifar10/datamodels"
    assert "image" not in app.query_params
    app.segmented_control(key="method").set_value("tracin").run()
    assert shown(app) == "cifar10/tracin"
    assert (app.query_params["data"], app.query_params["method"]) == ("cifar10", "tracin")


def test_an_unknown_result_is_refused_without_meaning_anything_in_markdown() -> None:
    app = opened(data="digits", result="![x](http://evil)")
    assert "result=" in app.warning[0].value
    assert "![" not in app.warning[0].value
    assert shown(app) == "digits/datamodels"


def own(name: str, of: str = "digits/tracin") -> Path:
    homes.results_home().mkdir(parents=True, exist_ok=True)
    return Path(shutil.copytree(homes.precomputed_home() / of, homes.results_home() / name))


def test_deleting_asks_and_renaming_keeps_what_is_shown() -> None:
    own("mine")
    app = opened(data="digits", method="tracin", result="mine")
    assert shown(app) == "mine"
    app.text_input(key="name_of_mine").set_value("yours")
    next(each for each in app.button if each.label == "Rename").click().run()
    assert shown(app) == "yours"
    next(each for each in app.button if each.label == "Delete …").click().run()
    assert (homes.results_home() / "yours").exists()
    next(each for each in app.button if each.label == "Delete").click().run()
    assert shown(app) == "digits/tracin"
    assert not (homes.results_home() / "yours").exists()


def form(**link: str) -> AppTest:
    app = opened(**link)
    app.session_state["recompute"] = True
    return app.run()


def captions(app: AppTest) -> str:
    return " ".join(each.value for each in app.caption)


def test_the_cost_counts_the_models_that_judge() -> None:
    app = form(data="digits")
    app.number_input(key="digits/datamodels datamodels ('models',)").set_value(300).run()
    assert "1,324 trainings, about" in captions(app)  # 300, 512 that judge, and these again for the ceiling


def test_a_run_is_started_under_a_telling_name(started: list[Any]) -> None:
    app = form(data="digits", method="tracin")
    app.number_input(key="digits/tracin tracin ('seed',)").set_value(7).run()
    next(each for each in app.button if each.label == "Start run").click().run()
    arguments, out, _ = started[0]
    assert arguments[:2] == ["tracin", "digits"]
    assert arguments[arguments.index("--seed") + 1] == "7"
    assert out.name == "tracin-seed-7-30-epochs"


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_that_can_score_digits_is_offered_and_started(name: str, started: list[Any]) -> None:
    app = form(data="digits", method="tracin")
    app.selectbox(key="recompute method digits/tracin").set_value(name).run()
    assert not app.exception
    next(each for each in app.button if each.label == "Start run").click().run()
    assert started[0][0][0] == name
    assert started[0][1].name


def test_a_name_that_is_taken_is_refused(started: list[Any]) -> None:
    own("mine")
    app = form(data="digits", method="tracin", result="shipped")
    app.text_input(key="recompute name digits/tracin").set_value("mine").run()
    next(each for each in app.button if each.label == "Start run").click().run()
    assert "already" in app.error[0].value
    assert started == []


@pytest.mark.parametrize("name", ["removal", "mislabels", "lds", "near-copies"])
def test_evaluations_are_started_with_what_was_changed(name: str, started: list[Any]) -> None:
    app = form(data="digits", method="tracin")
    app.radio(key="recompute what").set_value("Evaluation").run()
    app.selectbox(key="recompute evaluation digits/tracin").set_value(name).run()
    assert not app.exception
    next(each for each in app.button if each.label == "Start evaluation").click().run()
    commands = [started[0][0], *started[0][2]]
    assert commands[-1][:2] == ["evaluate", name]


def test_an_evaluation_that_needs_judges_collects_them_first() -> None:
    entry = library.every()[0]["digits/tracin"]
    evaluation = recompute.EVALUATIONS["lds"]
    steps = evaluating.steps(entry, evaluation)
    if len(steps) == 3:
        assert evaluating.judges(entry, evaluation) == 1024
        assert [step[:2] for step in steps] == [["datamodels", "collect"]] * 2 + [["evaluate", "lds"]]
