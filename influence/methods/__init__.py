"""The methods: each computes, for every test example, which training examples its outputs depend on.

A method is a file here with a subclass of `Method`, or a folder whose ``__init__`` has it.
"""

from influence.methods.base import Method
from influence.registry import Registry

__all__ = ["METHODS", "Method"]

METHODS: Registry[Method] = Registry("influence.methods", Method, "method")  # type: ignore[type-abstract]
