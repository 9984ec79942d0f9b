"""The settings of a config one by one, from which options, widgets and the arguments of a run are derived."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from influence.config import Config, kind_of, limits_in_words


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
    def title(self) -> str:
        """What a form calls it."""
        return self.field.title or self.name.replace("_", " ").capitalize()

    @property
    def help(self) -> str:
        """The field's sentences, and its limits if it has any."""
        limits = limits_in_words(self.field)
        return f"{self.field.description or ''}{f' {limits[0].upper()}{limits[1:]}.' if limits else ''}"

    @cached_property
    def kind(self) -> Any:
        """The type, without None."""
        return kind_of(self.field)

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

    def value_in(self, config: Config) -> Any:
        value: Any = config
        for name in self.path:
            value = getattr(value, name)
        return value

    def text(self, value: Any) -> str:
        """A value as it is typed."""
        if isinstance(value, tuple):
            return (":" if self.is_span else ",").join(map(str, value))
        return str(value)

    def arguments(self, value: Any) -> list[str]:
        """What to type for a value; nothing for none."""
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
            values = value.as_dict()
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


def arguments(config: Config) -> list[str]:
    """What to type after a verb for exactly these settings."""
    return [text for each in settings_of(type(config)) for text in each.arguments(each.value_in(config))]


def _is_config(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Config)


def _pairs(option: str, values: Mapping[str, Any]) -> list[str]:
    """Each value as NAME=VALUE after the option: words as they are, everything else as JSON."""
    texts = [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in values.items()]
    return [part for text in texts for part in (option, text)]
