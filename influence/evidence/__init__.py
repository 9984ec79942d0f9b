"""Evidence: how far a result can be trusted, measured, and kept in the result's own folder.

`python -m influence evaluate ...` writes it, and pages read it through `read`. A result folder gets ::

    evidence/
      lds/        manifest.json  targets.parquet
      removal/    manifest.json  effects.parquet  curves.parquet  targets.parquet
      mislabels/  manifest.json  curves.parquet   examples.parquet
      scaling/    manifest.json  scores.parquet
      near-copies/  manifest.json  pairs.parquet
      layout/     manifest.json  targets.parquet  train.parquet
      drop/       manifest.json  targets.parquet

Each is a folder of its own, which is written aside and renamed like a result, with the SHA-256 of its tables and of
itself in its manifest; the result's own files, manifest and hashes stay as they are. A manifest holds

    kind        "lds", "removal", "mislabels", "scaling", "near-copies", "layout" or "drop"
    about       what tells the scores that were judged from others, see `about`: evidence about others is not shown
    config      everything that the figures follow from, seeds included
    figures     the numbers to show; estimates are {"mean", "low", "high", "level"}
    notes       sentences for people: what was compared, what the figures do not say
    created, seconds, versions

Older versions called ``scaling`` ``sizes``; such a folder is still read, and `python -m influence migrate` renames it.

The modules of these names say what the figures and tables of each hold. Tables have numbers in units of the target's
output (the margin; the price for houses).
"""

from influence.evidence.base import Evidence, EvidenceManifest, about, is_about, names
from influence.evidence.drop import DropEvidence
from influence.evidence.files import KINDS, Evaluated, former_place, place, read, read_one, write
from influence.evidence.layout import LayoutEvidence
from influence.evidence.lds import METHODS, LdsEvidence
from influence.evidence.mislabels import FLIPS, RANKINGS, MislabelsEvidence
from influence.evidence.near_copies import NearCopiesEvidence
from influence.evidence.removal import CHOICES, RemovalEvidence
from influence.evidence.scaling import PRIOR_MEAN, REFERENCES, ScalingEvidence

__all__ = [
    "CHOICES",
    "FLIPS",
    "KINDS",
    "METHODS",
    "PRIOR_MEAN",
    "RANKINGS",
    "REFERENCES",
    "DropEvidence",
    "Evaluated",
    "Evidence",
    "EvidenceManifest",
    "LayoutEvidence",
    "LdsEvidence",
    "MislabelsEvidence",
    "NearCopiesEvidence",
    "RemovalEvidence",
    "ScalingEvidence",
    "about",
    "former_place",
    "is_about",
    "names",
    "place",
    "read",
    "read_one",
    "write",
]
