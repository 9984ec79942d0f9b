"""The kinds of result folders, by method, and what the folders of all methods share."""

import importlib
import importlib.util
import pkgutil
from functools import cache
from typing import Any

import pyarrow as pa

from influence.results.kind import Kind, OneOf
from influence.results.manifest import ResultManifest
from influence.results.tables import FLOATS, Table, of_type, schema

_METHODS = "influence.methods"
INFLUENCES = Table(schema(target=pa.int32(), train=pa.int32(), rank=pa.int16(), score=pa.float32()))
REVERSE = Table(schema(train=pa.int32(), target=pa.int32(), rank=pa.int16(), score=pa.float32()))
TARGETS = {"target": pa.int32(), "score_percentiles": FLOATS}
HISTOGRAM = {**of_type(pa.float32(), "histogram_low", "histogram_high"), "histogram": pa.list_(pa.uint32())}  # optional
SPREAD = ("score_percentiles", *HISTOGRAM)  # what tells how all scores of a target are spread
TRAIN = {"train": pa.int32()}
CLASSIFIED = {**of_type(pa.int16(), "label", "prediction"), **of_type(pa.float32(), "loss", "margin")}
PLAIN = Kind(
    ResultManifest,
    {
        "influences": INFLUENCES,
        "targets": Table(schema(**TARGETS), schema(**HISTOGRAM)),
        "train": Table(schema(**TRAIN)),
    },
)


@cache
def kind_of(method: str) -> Kind[Any] | OneOf:
    """The kind of a method's results: ``KIND`` in the method's file, or in ``kind.py`` of its folder.

    A method that is unknown, or declares none, has what all results share. Methods stand above results and are found
    here by looking into their folder, as `influence.registry` does.
    """
    methods = importlib.import_module(_METHODS)
    is_folder = {module.name: module.ispkg for module in pkgutil.iter_modules(methods.__path__)}
    if method not in is_folder:
        return PLAIN
    name = f"{_METHODS}.{method}"
    if is_folder[method] and importlib.util.find_spec(f"{name}.kind") is not None:
        name += ".kind"
    kind: Kind[Any] | OneOf = getattr(importlib.import_module(name), "KIND", PLAIN)
    return kind
