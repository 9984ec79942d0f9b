"""The settings of a config one by one, from which options, widgets and the arguments of a run are derived."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from influence.config import Config, kind_of, limits_in_words
from influence.errors import InfluenceError


@dataclass(frozen=True)
class Setting:
    """One setting of a config or of a config within it, as an option and a widget show it.

    Attributes
    ----------
    path : tuple of str
        Names of the fields that lead to it.
    field : FieldInfo
    """

    path: tuple[str, ...]
    field: FieldInfo

    @property
    def name(self) -> str:
        return self.path[-1]

    @property
    def label(self) -> str:
        """What a form calls it."""
        words = self.name.replace("_", " ")
        return str(self._extra("label") or (words if len(words) == 1 else words.capitalize()))

    @property
    def help(self) -> str:
        """The field's sentences, and its limits if it has any."""
        limits = limits_in_words(self.field).removesuffix(" and below 2^63")  # which nobody will type
        return f"{self.field.description or ''}{f' {limits[0].upper()}{limits[1:]}.' if limits else ''}"

    @cached_property
    def kind(self) -> Any:
        """The type, without None."""
        return kind_of(self.field)

    def limit(self, name: str) -> Any:
        """A limit by its name, such as ``ge``; None where there is no such."""
        return next((getattr(each, name) for each in self.field.metadata if hasattr(each, name)), None)

    @property
    def is_optional(self) -> bool:
        return type(None) in get_args(self.field.annotation)

    @property
    def is_span(self) -> bool:
        """Whether it is a pair of a first and a last + 1."""
        return get_origin(self.kind) is tuple and len(get_args(self.kind)) == 2 and ... not in get_args(self.kind)

    @property
    def is_member(self) -> bool:
        """Whether it is a config with a name, one of a family: a learner, with settings of its own."""
        return _is_config(self.kind) and "name" in {*self.kind.model_fields, *self.kind.__annotations__}

    @property
    def is_argument(self) -> bool:
        return bool(self._extra("argument"))

    @property
    def is_in_form(self) -> bool:
        return bool(self._extra("form"))

    @property
    def option(self) -> str:
        """Its name on the command line; of a flag that is not off by default, ``--on/--off``."""
        name = self.name.replace("_", "-")
        is_switch = self.kind is bool and self.field.default is not False
        return str(self._extra("option") or (f"--{name}/--no-{name}" if is_switch else f"--{name}"))

    @property
    def metavar(self) -> str | None:
        """What to type after the option, where its type alone does not say."""
        origin, parts = get_origin(self.kind), get_args(self.kind)
        if origin is Literal:
            return "|".join(map(str, parts))
        if origin is tuple:
            return "FIRST:STOP" if self.is_span else "NAME,..." if parts[0] is str else "NUMBER,..."
        return "NAME=VALUE" if origin is dict else "NAME" if self.is_member else None

    def value_in(self, config: Config) -> Any:
        value: Any = config
        for name in self.path:
            value = getattr(value, name)
        return value

    def text(self, value: Any) -> str:
        """A value as it is typed; nothing for none."""
        if value is None:
            return ""
        if isinstance(value, tuple):
            return (":" if self.is_span else ",").join(map(str, value))
        return str(value)

    def read(self, text: str | None) -> Any:
        """A value from what was typed for a text, a list or a span; nothing is none, or an empty list.

        Raises
        ------
        InfluenceError
            If it is not what the setting takes.
        """
        origin, parts = get_origin(self.kind), get_args(self.kind)
        if origin is not tuple:
            return text
        if text is None:
            return None if self.is_span or self.is_optional else ()
        if self.is_span:
            return span(text, self.option)
        return tuple(_number(each, parts[0], self.option) for each in listed(text))

    def arguments(self, value: Any, others: Mapping[str, Any] = MappingProxyType({})) -> list[str]:
        """What to type for a value, of a member with other settings; nothing for none."""
        if value is None or value == ():
            return []
        if self.is_argument:
            return [self.text(value)]
        if isinstance(value, bool):
            on, _, off = self.option.partition("/")
            return [on] if value else [off] if off else []
        if isinstance(value, Mapping):
            return _pairs(self.option, value)
        if isinstance(value, Config):
            values = {**value.as_dict(), **others}
            return [self.option, values.pop("name"), *_pairs("--setting", values)]
        return [self.option, self.text(value)]

    def _extra(self, name: str) -> Any:
        extra = self.field.json_schema_extra
        return extra.get(name) if isinstance(extra, dict) else None


def settings_of(config: type[Config]) -> Iterator[Setting]:
    """Every setting of a config, those of configs within it among them; the name of a member is none."""
    for name, field in config.model_fields.items():
        found = Setting((name,), field)
        if _is_config(found.kind) and not found.is_member:
            yield from (Setting((name, *each.path), each.field) for each in settings_of(found.kind))
        elif name != "name":
            yield found


def settings_in_forms(config: Config) -> Iterator[tuple[Setting, Any]]:
    """Every setting that forms show with its value, those of a member of a family within the config among them."""
    for each in settings_of(type(config)):
        value = each.value_in(config)
        if not each.is_in_form:
            continue
        if isinstance(value, Config):
            yield from ((Setting((*each.path, *own.path), own.field), held) for own, held in settings_in_forms(value))
        else:
            yield each, value


def arguments(config: Config, changes: Mapping[tuple[str, ...], Any] | None = None) -> list[str]:
    """What to type after a verb for exactly these settings.

    Parameters
    ----------
    config : Config
    changes : mapping
        Other values, not checked, by the path of their setting.
    """
    texts: list[str] = []
    for each in settings_of(type(config)):
        value = each.value_in(config)
        others = {path[-1]: new for path, new in (changes or {}).items() if path[:-1] == each.path}
        texts += each.arguments((changes or {}).get(each.path, value), others)
    return texts


def defaults_in_words(family: Mapping[str, type[Config]]) -> str:
    """What the members of a family can be set to, and their defaults: "mlp: epochs=30, width=32. ..." """
    texts = {
        name: [f"{each.name}={json.dumps(each.field.default)}" for each in settings_of(member)]
        for name, member in family.items()
    }
    return " ".join(f"{name}: {', '.join(settings) or 'none'}." for name, settings in texts.items())


def listed(text: str | None) -> tuple[str, ...]:
    """What stands between commas, without the spaces around it."""
    return tuple(each.strip() for each in text.split(",")) if text else ()


def span(text: str | None, option: str) -> tuple[int, int] | None:
    """The two numbers of FIRST:STOP."""
    if text is None:
        return None
    first, colon, stop = text.partition(":")
    try:
        if not colon:
            raise ValueError
        return int(first), int(stop)
    except ValueError as error:
        raise InfluenceError(f"{option} {text!r} is not FIRST:STOP: 500:1000, say.") from error


def _number(text: str, kind: Any, option: str) -> Any:
    """A number as a list has it, and text where it is a list of texts."""
    if kind is str:
        return text
    try:
        return int(text) if kind is int or text.lstrip("-").isdecimal() else float(text)
    except ValueError as error:
        whole = "whole " if kind is int else ""
        raise InfluenceError(f"{option} has {text!r}, which is no {whole}number: 1,10,100, say.") from error


def _is_config(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Config)


def _pairs(option: str, values: Mapping[str, Any]) -> list[str]:
    """Each value as NAME=VALUE after the option: words as they are, everything else as JSON."""
    texts = [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in values.items()]
    return [part for text in texts for part in (option, text)]
