"""The kinds of result folders, by method, and what the folders of all methods share."""

import importlib
from typing import Any, cast

import pyarrow as pa

from influence.results.kind import Kind, OneOf
from influence.results.manifest import ResultManifest
from influence.results.tables import FLOATS, Table, of_type, schema

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


def kind_of(method: str) -> Kind[Any] | OneOf:
    """The kind of a method's results; what all results share where the method is unknown.

    Methods stand above results, so they are imported only when this is called.
    """
    methods = importlib.import_module("influence.methods").METHODS
    return cast("Kind[Any] | OneOf", methods[method].kind()) if method in methods else PLAIN
