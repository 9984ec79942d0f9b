"""Pictures of a data set's examples, as addresses that a page can show."""

import base64
import io

import numpy as np
from PIL import Image

from influence import datasets
from influence.datasets import Dataset, Split, sheets
from influence.datasets.sheets import Sheet


class Pictures:
    """The examples of a data set of images, each made into an address when it is first asked for.

    Parameters
    ----------
    dataset : Dataset or None
        None where the pixels are not on this machine.
    sheet : Sheet or None
        Pictures of some examples, which are shown where there is no data set.
    """

    def __init__(self, dataset: Dataset | None, sheet: Sheet | None = None) -> None:
        self._name = dataset.name if dataset else ""
        self._parts: dict[str, Split] = {} if dataset is None else {"test": dataset.test, "train": dataset.train}
        self._sheet = sheet
        self._uris: dict[tuple[str, int], str] = {}

    @classmethod
    def shipped(cls, name: str, dataset_hash: str) -> "Pictures":
        """The pictures that ship of the data set with this name and content_hash; none where there are none of it."""
        sheet = sheets.read(name)
        return cls(None, sheet if sheet is not None and sheet.dataset_hash == dataset_hash else None)

    def __bool__(self) -> bool:
        return bool(self._parts) or self._sheet is not None

    @property
    def what_is_shown(self) -> str:
        """A clause that says which images are shown as pictures where the data set is missing."""
        if self._sheet is None:
            return "images are shown by class and index"
        return f"only the {len(self._sheet.images):,} pictures that ship are shown, and other images by class and index"

    def __call__(self, part: str, index: int) -> str | None:
        """An example of the "train" or "test" part in a data: address; None where its picture is not there."""
        if (part, index) not in self._uris and (address := self._address(part, index)) is not None:
            self._uris[part, index] = address
        return self._uris.get((part, index))

    def _address(self, part: str, index: int) -> str | None:
        if part in self._parts:
            split = self._parts[part]
            row = int(np.searchsorted(split.index, index))
            pixels = datasets.pictures(self._name, split.inputs[row : row + 1])[0]
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "PNG")
            kind, content = "png", buffer.getvalue()
        elif self._sheet is not None and (part, index) in self._sheet.images:
            kind, content = "webp", self._sheet.images[part, index]
        else:
            return None
        return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
