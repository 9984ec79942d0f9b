"""The settings of `evaluate near-copies`."""

from influence.config import Config, setting


class NearCopiesConfig(Config):
    """How many are kept, and which scores are looked up. The data set says from where on two images are near-copies."""

    nearest: int = setting(5, "Training images that are kept of each test image, the most alike first.", ge=1)
    kept: bool = setting(
        True,
        "Look scores and ranks up among those that the result keeps, instead of computing all of them again.",
        option="--kept/--all-scores",
    )
