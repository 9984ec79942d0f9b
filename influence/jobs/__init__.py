"""What each verb does: a config in, a result folder out. The one place that joins data, learners, methods and results.

The command line and the explorer's sidebar both end here, and the manifest keeps the config, so that every result
can be made again from its own manifest.
"""

from pathlib import Path

from influence import results
from influence.errors import InfluenceError
from influence.jobs.datamodels import DatamodelsConfig, Estimate, datamodels, default_store, measure
from influence.jobs.tracin import TracInConfig, tracin
from influence.jobs.tracin_images import TracInImagesConfig, tracin_images
from influence.progress import Report, silent

__all__ = [
    "DatamodelsConfig",
    "Estimate",
    "Report",
    "TracInConfig",
    "TracInImagesConfig",
    "datamodels",
    "default_store",
    "measure",
    "replay",
    "tracin",
    "tracin_images",
]


def replay(result: Path, out: Path, replace: bool = False, report: Report = silent) -> Path:
    """Make a result again from the config in its manifest.

    Raises
    ------
    InfluenceError
        If the manifest is not one of this program's, or as the job itself does.
    """
    manifest = results.read_manifest(result)
    if manifest["method"] == "tracin" and "classes" in manifest:
        return tracin_images(TracInImagesConfig.parse(manifest["config"]), out, replace, report)
    if manifest["method"] == "tracin":
        return tracin(TracInConfig.parse(manifest["config"]), out, replace, report)
    if manifest["method"] == "datamodels":
        return datamodels(DatamodelsConfig.parse(manifest["config"]), out, replace=replace, report=report)
    raise InfluenceError(f"{result} was made by {manifest['method']!r}, which this program does not know.")
