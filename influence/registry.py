"""Members of a family, found by looking into its folder: there is no list to extend."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Generic, TypeVar

from influence.config import unknown
from influence.errors import InfluenceError

T = TypeVar("T")


class Registry(Mapping[str, type[T]], Generic[T]):
    """The classes of one family by their ``name``: those that a package's modules define, found on first use.

    Parameters
    ----------
    package : str
        The package's full name. A member is a module in it, or a folder whose ``__init__`` has the class.
    base : type
        What every member derives from.
    what : str
        What a member is called in messages.
    """

    def __init__(self, package: str, base: type[T], what: str) -> None:
        self.package = package
        self.base = base
        self.what = what

    @cached_property
    def _members(self) -> dict[str, type[T]]:
        found: dict[str, type[T]] = {}
        for module in pkgutil.iter_modules(importlib.import_module(self.package).__path__):
            for member in vars(importlib.import_module(f"{self.package}.{module.name}")).values():
                if not (inspect.isclass(member) and issubclass(member, self.base) and _name(member)):
                    continue
                if found.setdefault(_name(member), member) is not member:
                    raise ValueError(f"two of {self.package} are called {_name(member)!r}")
        return dict(sorted(found.items()))

    def __getitem__(self, name: str) -> type[T]:
        """The member of this name; an unknown one is an `InfluenceError`."""
        if name not in self._members:
            raise InfluenceError(unknown(self.what, str(name), self))
        return self._members[name]

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)


def _name(member: type) -> str:
    """The default of a config's field ``name``, or the class's attribute."""
    field = getattr(member, "model_fields", {}).get("name")
    name = getattr(member, "name", "") if field is None else field.default
    return name if isinstance(name, str) else ""
