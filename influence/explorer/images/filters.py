"""What the gallery of the images page is narrowed down to, and how it is sorted."""

from dataclasses import dataclass

import numpy as np

ALL = "all"
MISTAKES, HARD, NEAR_COPIES, PICTURED = "mistakes", "hard to explain", "near-copies", "pictured"
INDEX = "index"

QUALITIES = {
    ALL: (-np.inf, np.inf),
    "0.7 and more": (0.7, np.inf),
    "0.5 to 0.7": (0.5, 0.7),
    "0.3 to 0.5": (0.3, 0.5),
    "below 0.3": (-np.inf, 0.3),
}
SORTS = {  # a column of `Images.test`, and whether it rises
    INDEX: ("", True),
    "strongest hurter first": ("hurt", True),
    "strongest helper first": ("helped", False),
    "lowest margin first": ("margin", True),
    "highest margin first": ("margin", False),
    "best explained first": ("lds", False),
    "worst explained first": ("lds", True),
    "highest loss first": ("loss", False),
    "most disputed first": ("agreement", True),
    "smallest data support first": ("data_support", True),
    "most like a training image first": ("similarity", False),
    "class explains most first": ("between_classes", False),
}
# The order that each chip begins with: the first that the result knows.
ORDERS = {
    ALL: (INDEX,),
    MISTAKES: ("best explained first", "lowest margin first"),
    HARD: ("worst explained first",),
    NEAR_COPIES: ("most like a training image first",),
    PICTURED: ("best explained first", "lowest margin first"),
}


@dataclass(frozen=True)
class Filters:
    """What passes.

    Parameters
    ----------
    show : str
        A chip: all, mistakes, images that are hard to explain, near-copies of training images, or those whose pictures
        are on this machine.
    label, prediction : str
        A class's name, or "all".
    quality : str
        One of `QUALITIES`, of the image's own LDS.
    margin : (float, float) or None
    """

    show: str = ALL
    label: str = ALL
    prediction: str = ALL
    quality: str = ALL
    margin: tuple[float, float] | None = None

    @property
    def is_cell(self) -> bool:
        """Whether they name a cell of the confusion matrix."""
        return ALL not in (self.label, self.prediction)
