"""Settings that are declared once: the command line's options, the sidebar's widgets and the JSON follow from them."""

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Self, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic.fields import FieldInfo

from influence.errors import InfluenceError

Real = int | float
"""A number that is kept as it was given: 1 and 1.0 are equal, and are stored differently."""


class Config(BaseModel):
    """A frozen set of settings; a wrong one is an `InfluenceError` of one sentence.

    Types are strict, as JSON has them: a list stands for a tuple, a whole number may stand for a float, and nothing
    else is converted. A field's alias is the name under which it is stored.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_by_name=True, validate_by_alias=True
    )

    if not TYPE_CHECKING:  # type checkers read the fields

        def __init__(self, **values: Any) -> None:
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise InfluenceError(_sentence(type(self), error)) from None

    @model_validator(mode="before")
    @classmethod
    def _from_json(cls, values: Any) -> Any:
        """Turn lists into tuples and mappings into configs, where the fields are such."""
        if not isinstance(values, Mapping):
            return values
        kinds = {key: field.annotation for name, field in cls.model_fields.items() for key in (name, field.alias)}
        return {name: _read(value, kinds.get(name)) for name, value in values.items()}

    @model_serializer(mode="wrap")
    def _without_silent(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the settings that are not stored at their defaults."""
        values: dict[str, Any] = write(self)
        for name, field in type(self).model_fields.items():
            if _extra(field, "silent") and getattr(self, name) == field.default:
                values.pop(field.alias or name, None)
        return values

    @classmethod
    def parse(cls, values: Any) -> Self:
        """A config from what `as_dict` gives, which has every setting: a default never stands for a lost one.

        Raises
        ------
        InfluenceError
            If a setting is unknown, missing or out of range, or ``values`` is no mapping.
        """
        if not isinstance(values, Mapping):
            raise InfluenceError(
                f"The settings of {_title(cls)} are {values!r}, but must be a mapping of names to values."
            )
        for name, field in cls.model_fields.items():
            if (
                name not in values
                and field.alias not in values
                and not (_extra(field, "added") or _extra(field, "silent"))
            ):
                raise InfluenceError(
                    f"These settings of {_title(cls)} lack {field.alias or name}: give a config that was stored whole."
                )
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        """All settings under their stored names, as JSON can hold them; silent ones where they are not the default."""
        return self.model_dump(mode="json", by_alias=True, serialize_as_any=True)

    def replace(self, **changes: Any) -> Self:
        """The same config with some settings changed, under their names or their stored names, and checked again."""
        names = {field.alias: name for name, field in type(self).model_fields.items()}
        changes = {names.get(name, name): value for name, value in changes.items()}
        return type(self)(**({name: getattr(self, name) for name in type(self).model_fields} | changes))

    @property
    def digest(self) -> str:
        """SHA-256 of `as_dict`, in hexadecimal."""
        return hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()


def setting(
    default: Any,
    help: str,
    *,
    added: bool = False,
    silent: bool = False,
    argument: bool = False,
    option: str | None = None,
    form: bool = True,
    label: str | None = None,
    **limits: Any,
) -> Any:
    """A field with its default, its help text and its limits.

    Parameters
    ----------
    default
    help : str
        A sentence or a noun phrase; the command line and the sidebar show it.
    added : bool
        Whether configs were stored before there was this setting; of those, the default is true.
    silent : bool
        The same, and it is stored only where it is not the default, so that the digests of older configs stay.
    argument : bool
        Whether the command line takes it by its place, without an option's name.
    option : str or None
        The option's name where it is not the field's, such as ``--kept/--all-scores`` for true and false.
    form : bool
        Whether the sidebar's form of a run shows it.
    label : str or None
        What that form calls it, where it is not the field's name.
    **limits
        ``ge``, ``gt``, ``le``, ``lt`` for numbers; ``alias``, the stored name; ``title``, what messages call the
        setting.
    """
    extra: dict[str, Any] = {
        "added": added,
        "silent": silent,
        "argument": argument,
        "option": option,
        "form": form,
        "label": label,
    }
    return Field(default, description=help, json_schema_extra=extra, **limits)


def _extra(field: FieldInfo, name: str) -> bool:
    return isinstance(field.json_schema_extra, dict) and bool(field.json_schema_extra.get(name))


def _read(value: Any, kind: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, Mapping):
        for each in (kind, *get_args(kind)):
            if isinstance(each, type) and issubclass(each, Config):
                return each.parse(value)
    return value


def _sentence(config: type[Config], error: ValidationError) -> str:
    """The first fault in words; a message of pydantic's own where there are none."""
    faults = error.errors(include_url=False)
    fault = faults[0]
    named = str(fault["loc"][0]) if fault["loc"] else ""
    if fault["type"] == "extra_forbidden":
        return unknown("setting", named, (each for each in config.model_fields if each != "name"), owner=_title(config))
    if fault["type"] == "missing":
        return f"{_title(config)} needs the setting {named}: give it."
    field = _fields(config).get(named)
    named = _shown_name(config, named)
    if field is None:
        wanted = fault["msg"]
    elif any(each["type"] in _LIMITS for each in faults if each["loc"][:1] == fault["loc"][:1]):
        wanted = limits_in_words(field)
    else:
        wanted = described(field)
    return f"{named} is {fault['input']!r}, but must be {wanted}."


_LIMITS = ("greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number")


def unknown(what: str, name: str, known: Iterable[str], owner: str = "") -> str:
    """A sentence that refuses a name, with the names that exist and the nearest of them."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    if not owner:
        return f"There is no {what} {name!r}: the {what}s are {', '.join(names)}.{hint}"
    return f"{owner} has no {what} {name!r}: it has {', '.join(names) or 'none'}.{hint}"


def kind_of(field: FieldInfo) -> Any:
    """The type of a field's values, without None: `Real`, or another one."""
    kinds = tuple(each for each in get_args(field.annotation) if each is not type(None))
    if {*kinds} == {*get_args(Real)}:
        return Real
    return kinds[0] if type(None) in get_args(field.annotation) else field.annotation


def described(field: FieldInfo) -> str:
    """What a field takes, in words: "a whole number of at least 1, or null"."""
    is_optional = type(None) in get_args(field.annotation)
    limits = limits_in_words(field)
    words = _kind_in_words(kind_of(field)) + (
        f" of {limits}" if limits.startswith("at ") else f" {limits}" if limits else ""
    )
    return words + (", or null" if is_optional else "")


def _kind_in_words(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    if get_origin(kind) is tuple:
        plural = {int: "whole numbers", float: "numbers", Real: "numbers", str: "texts"}
        return f"a list of {plural.get(get_args(kind)[0], 'values')}"
    words = {int: "a whole number", float: "a number", Real: "a number", bool: "true or false", str: "a text"}
    return words.get(kind, "a mapping of names to values")


def limits_in_words(field: FieldInfo) -> str:
    """The limits of a field, "at least 1 and below 10"; empty where there are none."""
    names = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    found = {name: getattr(each, name) for each in field.metadata for name in names if hasattr(each, name)}
    return " and ".join(f"{names[name]} {_in_words(limit)}" for name, limit in found.items())


def _in_words(limit: float) -> str:
    return "2^63" if limit == 2**63 else f"{limit:g}"


def _fields(config: type[Config]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in config.model_fields.items()} | dict(config.model_fields)


def _shown_name(config: type[Config], named: str) -> str:
    """A field's title, or its name, whichever name it was given by."""
    for name, field in config.model_fields.items():
        if named in (name, field.alias):
            return field.title or name
    return named


def _title(config: type[Config]) -> str:
    name = config.model_fields.get("name")
    return str(name.default) if name is not None and name.default else config.__name__
