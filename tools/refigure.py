"""Give evidence of older versions the figures that today's has, from its own tables: nothing is trained again.

``python -m tools.refigure FOLDER ...`` takes results, and does all in ``precomputed/`` by default. Tables stay as they
are, byte by byte; manifests get a new digest.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from influence import evidence, homes, results
from influence.evaluation.removal.figures import agreements_by_count
from influence.evaluation.subject import Subject
from influence.evidence import MislabelsEvidence, RemovalEvidence
from influence.evidence.mislabels import more_than_loss
from influence.methods import METHODS


def figures(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The figures that older evidence about a result lacks, by its kind."""
    result = results.read(folder)
    found = evidence.read(result)
    if isinstance(found.removal, RemovalEvidence):
        subject = METHODS[result.manifest.method].subject if result.manifest.method in METHODS else Subject
        agreement = agreements_by_count(found.removal.tables["effects"])
        is_common = subject(result, None, None).is_common
        yield "removal", {"agreement_by_count": agreement, "is_common": is_common}
    if isinstance(found.mislabels, MislabelsEvidence):
        yield "mislabels", {"more_than_loss": more_than_loss(found.mislabels.tables["examples"])}


def main() -> None:
    """Complete the evidence of some results."""
    shipped = [path.parent for path in sorted(homes.precomputed_home().glob("*/*/manifest.json"))]
    for folder in [Path(each) for each in sys.argv[1:]] or shipped:
        for kind, more in figures(folder):
            path = evidence.place(folder, kind) / "manifest.json"
            manifest = json.loads(path.read_text())
            manifest["figures"] |= more
            path.write_bytes(results.to_bytes(manifest))
            print(path)


if __name__ == "__main__":
    main()
