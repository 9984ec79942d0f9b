"""The settings of `evaluate layout`."""

from influence.config import Config, setting


class LayoutConfig(Config):
    """How the map is laid out."""

    directions: int = setting(50, "Directions that the scores are reduced to before they are laid out.", ge=2)
    seed: int = setting(0, "Seed of the layout.", ge=0, lt=2**32)
