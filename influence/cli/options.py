"""Options that are derived from the settings of configs, and those that several verbs share."""

import functools
import inspect
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args, get_origin

import typer

from influence import datasets, homes
from influence.config import Config, Real
from influence.errors import InfluenceError
from influence.learners.base import LEARNERS, Learner
from influence.settings import Setting, defaults_in_words, settings_of

Out = Annotated[
    Path | None,
    typer.Option("--out", help="Folder of the result. Default: a new one in results/, which the explorer lists."),
]
Replace = Annotated[
    bool, typer.Option("--replace", help="Replace the folder if it exists, once the new one is complete.")
]
Events = Annotated[
    bool,
    typer.Option(
        "--events", help="Print progress as JSON lines, and stop when standard input closes (the explorer's runs do)."
    ),
]

C = TypeVar("C", bound=Config)
_MEMBER_SETTINGS = "setting"


class Given(Generic[C]):
    """What was given for the settings of a config. Calling it reads the texts, checks them, and makes the config."""

    def __init__(self, config: type[C], texts: Mapping[str, Any]) -> None:
        self._config = config
        self._texts = texts

    def __call__(self, **known: Any) -> C:
        """The config, with the values that are known otherwise: of settings, or of whole configs within it."""
        made: C = _built(self._config, self.values(**known))
        return made

    def values(self, **known: Any) -> dict[str, Any]:
        """The settings' values by their names, read but not yet checked, and those that are known otherwise."""
        found = {each.name: each for each in settings_of(self._config)}
        wanted = (found[name] for name in self._texts if name in found and name not in known)
        return {each.name: self._read(each, str(known.get("dataset", ""))) for each in wanted} | known

    def is_given(self, *names: str) -> bool:
        """Whether any of some options, for which nothing is the default, has a value."""
        return any(self._texts.get(name) for name in names)

    def _read(self, setting: Setting, dataset: str) -> Any:
        value, option = self._texts[setting.name], setting.option
        if setting.is_member:
            return chosen_learner(self._texts.get("dataset", dataset), value, self._texts[_MEMBER_SETTINGS])
        if get_origin(setting.kind) is dict:
            return pairs(value, option)
        return setting.read(value)


def derived(*without: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a verb one option for each setting of its parameters that are annotated as `Given`.

    Parameters
    ----------
    *without : str
        Settings, or configs within the config, that the verb gets elsewhere. An option that the verb declares itself
        takes the place of the setting of its name.
    """

    def decorate(verb: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(verb).parameters
        parameters: list[inspect.Parameter] = []
        configs: dict[str, tuple[type[Config], list[str]]] = {}
        for parameter in own.values():
            if get_origin(parameter.annotation) is not Given:
                parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
                continue
            (config,) = get_args(parameter.annotation)
            left_out = {*without, *own}
            made = [each for found in settings_of(config) if not left_out & {*found.path} for each in _options(found)]
            configs[parameter.name] = config, [each.name for each in made]
            parameters += made

        @functools.wraps(verb)
        def call(**values: Any) -> None:
            for name, (config, names) in configs.items():
                values[name] = Given(config, {each: values.pop(each) for each in names})
            verb(**values)

        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return call

    return decorate


def _options(setting: Setting) -> list[inspect.Parameter]:
    """The parameter of a setting; a member of a family also has one for its own settings."""
    if setting.is_argument:
        names = f"One of {', '.join(datasets.NAMES)}." if setting.name == "dataset" else ""
        return [_parameter(setting.name, str, typer.Argument(help=f"{setting.help} {names}"), inspect.Parameter.empty)]
    default = setting.field.default
    if setting.is_member:
        suits = f"One of {', '.join(LEARNERS)}. Default: the one that suits the data set."
        chosen = typer.Option(setting.option, help=f"{setting.help} {suits}", metavar=setting.metavar)
        own = typer.Option(
            f"--{_MEMBER_SETTINGS}",
            help=f"A setting of the {setting.name}; repeatable. By default {defaults_in_words(LEARNERS)}",
            metavar="NAME=VALUE",
        )
        return [
            _parameter(setting.name, str | None, chosen, None),
            _parameter(_MEMBER_SETTINGS, list[str] | None, own, None),
        ]
    kind = setting.kind
    is_tuple, is_dict = (get_origin(kind) is each for each in (tuple, dict))
    is_word = get_origin(kind) is Literal
    shown = float if kind is Real else str if is_word or is_tuple else list[str] if is_dict else kind
    if is_tuple or is_dict:
        default = setting.text(default) if default else None
    option = typer.Option(setting.option, help=setting.help, metavar=setting.metavar)
    return [_parameter(setting.name, shown | None if default is None else shown, option, default)]


def _parameter(name: str, kind: Any, how: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, how])


def _built(config: type[Config], values: Mapping[str, Any]) -> Any:
    """A config from the values of its settings, however deep they are in it."""
    direct = {name: values[name] for name in config.model_fields if name in values}
    nested = {each.path[0]: each.path for each in settings_of(config) if len(each.path) > 1}
    for name in nested.keys() - direct.keys():
        direct[name] = _built(config.model_fields[name].annotation, values)  # type: ignore[arg-type]
    return config(**direct)


def chosen_learner(dataset: str, name: str | None, settings: list[str] | None) -> Learner:
    """The learner of this name, or the one that suits the data set, with settings given as NAME=VALUE."""
    return LEARNERS[name or datasets.facts(dataset).learner](**pairs(settings, "--setting"))


def pairs(texts: list[str] | None, option: str) -> dict[str, Any]:
    """Values by their names from NAME=VALUE: JSON, or a word as it is, as in choose=target."""
    values: dict[str, Any] = {}
    for each in texts or []:
        name, equals, value = each.partition("=")
        if not equals:
            raise InfluenceError(f"{option} {each!r} is not NAME=VALUE: give the name of a setting and its value.")
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = value
    return values


def new_folder(dataset: str, method: str) -> Path:
    """Name a folder in the home of results by what is made now."""
    return homes.results_home() / f"{dataset}-{method}-{datetime.now():%Y-%m-%d-%H%M%S}"
