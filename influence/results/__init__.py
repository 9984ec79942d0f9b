"""Result folders: what a job leaves and the explorer reads.

A result is a folder::

    manifest.json         what was computed, from what, how, and how far it can be trusted
    influences.parquet    target int32, train int32, rank int16, score float32; sorted by target, then rank
    targets.parquet       one row a target:           target int32, score_percentiles list<float32>[101], histogram_low
                          and histogram_high float32, histogram list<uint32>[64], ...
    train.parquet         one row a training example: train int32, ...
    reverse.parquet       train, target, rank, score: the strongest targets of every training example (images)
    checkpoints/          the weights that the scores come from (TracIn)
    evidence/             how far the scores can be trusted, where that was measured: see `influence.evidence`

Rank 1, 2, ... are the most positive training examples, -1, -2, ... the most negative; positive helps. A negative target
is a group of targets, listed under ``groups`` in the manifest: its scores are the sums of its members'. A histogram
counts all scores of a target, in equal bins from the lowest to the highest; results of older versions have none. Scores
of images and their percentiles are rounded to 11 significant bits, removal curves to 16 (see `ranking.shortened`).

What a folder holds beside that is its `Kind`: the class of its manifest and the schemas of its tables, which its method
declares. A folder is written aside and renamed when complete, so a reader never sees half of one. The manifest holds
every table's SHA-256 and, as its last value, that of its own bytes before it, so what is damaged is noticed.
"""

from influence.results.digests import add_digest
from influence.results.folder import sweep, writing
from influence.results.kind import Kind
from influence.results.manifest import Group, Interval, Manifest, ResultManifest
from influence.results.manifest_file import to_bytes
from influence.results.result import Result, read, read_manifest
from influence.results.tables import SCHEMA_VERSION, Table, write_tables

__all__ = [
    "SCHEMA_VERSION",
    "Group",
    "Interval",
    "Kind",
    "Manifest",
    "Result",
    "ResultManifest",
    "Table",
    "add_digest",
    "read",
    "read_manifest",
    "sweep",
    "to_bytes",
    "write_tables",
    "writing",
]
