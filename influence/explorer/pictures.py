"""Pictures of a data set's examples, as addresses that a page can show."""

import base64
import io

import numpy as np
from PIL import Image

from influence import datasets
from influence.datasets import Dataset, Split


class Pictures:
    """The examples of a data set of images as PNGs, each made when it is first asked for.

    Parameters
    ----------
    dataset : Dataset or None
        None where the pixels are not on this machine: then there are no pictures.
    """

    def __init__(self, dataset: Dataset | None) -> None:
        self._name = dataset.name if dataset else ""
        self._parts: dict[str, Split] = {} if dataset is None else {"test": dataset.test, "train": dataset.train}
        self._uris: dict[tuple[str, int], str] = {}

    def __bool__(self) -> bool:
        return bool(self._parts)

    def __call__(self, part: str, index: int) -> str | None:
        """An example of the "train" or "test" part in a data: address; None without pixels."""
        if part not in self._parts:
            return None
        if (part, index) not in self._uris:
            split = self._parts[part]
            row = int(np.searchsorted(split.index, index))
            pixels = datasets.pictures(self._name, split.inputs[row : row + 1])[0]
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "PNG")
            self._uris[part, index] = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
        return self._uris[part, index]
