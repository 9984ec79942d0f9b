"""Every setting of every family is an option, a widget where forms show it, and a part of the JSON; nothing else is."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import typer
from streamlit.testing.v1 import AppTest

from influence import datasets
from influence.cli.options import Given, derived
from influence.config import Config, Real
from influence.datamodels.estimators.base import ESTIMATORS
from influence.evaluation import EVALUATIONS
from influence.learners.base import LEARNERS
from influence.methods import METHODS
from influence.settings import Setting, arguments, settings_in_forms, settings_of

CONFIGS: dict[str, type[Config]] = {
    **{f"learner {name}": each for name, each in LEARNERS.items()},
    **{f"estimator {name}": each for name, each in ESTIMATORS.items()},
    **{f"method {name}": each.config for name, each in METHODS.items()},
    **{f"evaluation {name}": each.config for name, each in EVALUATIONS.items()},
}
EACH = [(name, setting) for name, config in CONFIGS.items() for setting in settings_of(config)]
IDS = [f"{name}, {'.'.join(setting.path)}" for name, setting in EACH]
NAMES = {"classes": ("3", "8"), "choices": ("harmful", "random"), "dataset": "cifar10", "estimator": "ridge"}


def another(setting: Setting, value: Any) -> Any:
    """A value that the setting takes, and that is not ``value``."""
    kind, parts = setting.kind, get_args(setting.kind)
    if setting.name in NAMES:
        return NAMES[setting.name]
    if setting.is_member:
        (learner,) = (each for name, each in LEARNERS.items() if name == "patchnet")
        return learner(filters=9, flip=False)
    if get_origin(kind) is Literal:
        return next(each for each in parts if each != value)
    if get_origin(kind) is dict:
        return {"penalties": [0.5], "choose": "target"}
    if get_origin(kind) is tuple:
        return (
            (3, 40) if setting.is_span else tuple(parts[0](each) for each in (2, 30)) if parts[0] is int else (0.5, 2)
        )
    if kind is bool:
        return not value
    if kind is int:
        return (value or max(setting.limit("ge") or 0, 1)) + 1
    return value * 0.9 if value else 0.05


def changed(config: Config, path: tuple[str, ...], value: Any) -> Config:
    """The config with another value of a setting that may be deep in it."""
    name, *rest = path
    return config.replace(**{name: changed(getattr(config, name), tuple(rest), value) if rest else value})


def before(name: str, setting: Setting) -> Config:
    """The defaults, with the estimator that has the settings which are given."""
    start = CONFIGS[name]()
    return start.replace(estimator="ridge") if setting.name == "settings" else start


def test_the_families_are_not_empty() -> None:
    assert len(CONFIGS) >= 12
    assert {name.split()[0] for name in CONFIGS} == {"learner", "estimator", "method", "evaluation"}
    assert len(EACH) == len(set(IDS)) > 60


@pytest.mark.parametrize(("name", "setting"), EACH, ids=IDS)
def test_a_setting_is_explained_and_comes_back_from_json(name: str, setting: Setting) -> None:
    assert setting.field.description
    assert setting.help.endswith((".", ")"))
    assert setting.help[0].isupper() or setting.help.split(":")[0].islower()
    start = before(name, setting)
    other = changed(start, setting.path, another(setting, setting.value_in(start)))
    assert other != start
    stored = json.loads(json.dumps(other.as_dict()))
    assert type(other).parse(stored) == other


def typed(config: type[Config], texts: list[str]) -> Config:
    """What a command line with the options of a config makes of some arguments."""
    app, made = typer.Typer(), []

    @app.command()
    @derived()
    def verb(given: Given[config]) -> None:  # type: ignore[valid-type]
        made.append(given())

    app(texts, standalone_mode=False)
    (one,) = made
    return one


@pytest.mark.parametrize(
    ("name", "setting"),
    [each for each in EACH if each[0].startswith(("method", "evaluation"))],
    ids=[each for each in IDS if each.startswith(("method", "evaluation"))],
)
def test_a_setting_is_an_option(name: str, setting: Setting) -> None:
    start = before(name, setting)
    other = changed(start, setting.path, another(setting, setting.value_in(start)))
    for config in (start, other):
        assert typed(CONFIGS[name], arguments(config)) == config


@pytest.mark.parametrize("name", LEARNERS)
def test_the_settings_of_a_learner_are_typed_after_its_name(name: str) -> None:
    recipe = CONFIGS["method datamodels"]()
    for setting in settings_of(LEARNERS[name]):
        start = LEARNERS[name]()
        other = changed(start, setting.path, another(setting, setting.value_in(start)))
        config = changed(recipe, ("outcomes", "learner"), other)
        assert typed(type(config), arguments(config)) == config


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_settings_of_an_estimator_are_typed_after_its_name(name: str) -> None:
    for setting in settings_of(ESTIMATORS[name]):
        start = ESTIMATORS[name]()
        other = changed(start, setting.path, another(setting, setting.value_in(start)))
        config = CONFIGS["method datamodels"](estimator=name, settings={setting.name: other.as_dict()[setting.name]})
        read = typed(type(config), arguments(config))
        assert ESTIMATORS[name](**read.settings) == other  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", datasets.NAMES)
def test_every_data_set_can_be_typed(name: str) -> None:
    config = changed(CONFIGS["method datamodels"](), ("outcomes", "dataset"), name)
    assert typed(type(config), arguments(config)) == config


def drawn(name: str) -> dict[str, Any]:
    """The widgets of a config's form by their labels, and what they hold, as a page draws them."""

    def page(config):  # its text alone is run, without the imports above
        from influence.explorer import run_form

        run_form.widgets(config)

    app = AppTest.from_function(page, kwargs={"config": CONFIGS[name]()}).run()
    assert not app.exception
    kinds = (app.number_input, app.selectbox, app.text_input, app.checkbox)
    return {each.label: each.value for kind in kinds for each in kind}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_setting_that_forms_show_is_a_widget(name: str) -> None:
    def shown(setting: Setting, value: Any) -> Any:
        is_plain = setting.kind in (bool, int, float, Real) or get_origin(setting.kind) is Literal
        return value if is_plain else setting.text(value)

    wanted = {each.label: shown(each, value) for each, value in settings_in_forms(CONFIGS[name]())}
    assert drawn(name) == pytest.approx(wanted)


def imports_of(path: Path) -> list[str]:
    """The import statements at the top of a script."""
    found = ast.parse(path.read_text()).body
    return [ast.unparse(each) for each in found if isinstance(each, ast.Import | ast.ImportFrom)]


def test_declarations_import_no_torch() -> None:
    """Whoever lists settings or opens a page waits for no torch."""
    root = Path(__file__).parents[1]
    pages = "\n".join(line for path in (root / "app.py", *root.glob("pages/*.py")) for line in imports_of(path))
    code = f"""
import sys
from influence.cli import main
from influence.datamodels.estimators.base import ESTIMATORS
from influence.evaluation import EVALUATIONS
from influence.learners.base import LEARNERS
from influence.methods import METHODS
assert all(len(each) for each in (ESTIMATORS, EVALUATIONS, LEARNERS, METHODS))
{pages}
print("torch" in sys.modules)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, timeout=200)
    assert (ended.stdout, ended.returncode) == ("False\n", 0), ended.stderr
