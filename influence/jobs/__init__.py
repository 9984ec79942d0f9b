"""What a verb does beyond one method: the one place that joins methods, evaluations and the folders of results."""

from pathlib import Path

from influence import results
from influence.errors import InfluenceError
from influence.methods import METHODS
from influence.progress import Report, silent

__all__ = ["replay"]


def replay(result: Path, out: Path, replace: bool = False, report: Report = silent) -> Path:
    """Make a result again from the config in its manifest.

    Raises
    ------
    InfluenceError
        If the manifest is not one of this program's, or as the method itself does.
    """
    manifest = results.read_manifest(result)
    if manifest["method"] not in METHODS:
        raise InfluenceError(f"{result} was made by {manifest['method']!r}, which this program does not know.")
    method = METHODS[manifest["method"]]
    return method.run(method.parse(manifest["config"]), out, replace, report)
