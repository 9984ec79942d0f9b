"""Pictures of a data set's examples, as addresses that a page can show."""

import base64
import io
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from influence import datasets
from influence.datasets import Dataset, Split, sheets
from influence.datasets.sheets import Sheet

_ACROSS = 16  # pictures in a row of a strip
_KEPT = 64  # strips


@dataclass(frozen=True)
class Strip:
    """Some pictures in one, so that they travel together.

    Parameters
    ----------
    uri : str
        The picture of all as a data: address; empty where there is none.
    width, height : int
        Of each, in pixels.
    places : dict of (str, int) to int
        Where each part ("test" or "train") and index is.
    """

    uri: str
    width: int
    height: int
    places: dict[tuple[str, int], int]

    def place(self, part: str, index: int) -> int | None:
        """Find the position of an example's picture; None if it is not on this machine."""
        return self.places.get((part, index))

    @property
    def signature(self) -> int:
        return zlib.crc32(self.uri.encode())

    def data(self) -> dict[str, Any]:
        """Give what a component's script takes."""
        return {"uri": self.uri, "width": self.width, "height": self.height, "across": _ACROSS}


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
        self._strips: OrderedDict[tuple[tuple[str, int], ...], Strip] = OrderedDict()

    @classmethod
    def shipped(cls, name: str, dataset_hash: str) -> "Pictures":
        """The pictures that ship of the data set with this name and content_hash; none where there are none of it."""
        sheet = sheets.read(name)
        return cls(None, sheet if sheet is not None and sheet.dataset_hash == dataset_hash else None)

    def __bool__(self) -> bool:
        return bool(self._parts) or self._sheet is not None

    @property
    def are_some(self) -> bool:
        """Whether only some examples have a picture: those that ship."""
        return self._sheet is not None

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

    def has(self, part: str, index: int) -> bool:
        """Whether the picture of an example is there."""
        return self._pixels(part, index) is not None

    def strip(self, wanted: Sequence[tuple[str, int]]) -> Strip:
        """The pictures of these examples, each named by its part and index, without those that are not there."""
        key = tuple(dict.fromkeys((part, int(index)) for part, index in wanted))
        if key not in self._strips:
            self._strips[key] = self._drawn(key)
            if len(self._strips) > _KEPT:
                self._strips.popitem(last=False)
        return self._strips[key]

    def _drawn(self, wanted: Sequence[tuple[str, int]]) -> Strip:
        there = {each: pixels for each in wanted if (pixels := self._pixels(*each)) is not None}
        if not there:
            return Strip("", 1, 1, {})
        pictures = list(there.values())
        height, width = pictures[0].shape[:2]
        rows = -(-len(pictures) // _ACROSS)
        whole = np.zeros((rows * height, min(len(pictures), _ACROSS) * width, *pictures[0].shape[2:]), np.uint8)
        for place, pixels in enumerate(pictures):
            top, left = place // _ACROSS * height, place % _ACROSS * width
            whole[top : top + height, left : left + width] = pixels
        buffer = io.BytesIO()
        Image.fromarray(whole).save(buffer, "WEBP", lossless=True, quality=0, method=1)
        uri = f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
        return Strip(uri, width, height, {each: place for place, each in enumerate(there)})

    def _pixels(self, part: str, index: int) -> np.ndarray | None:
        """(height, width) grey or (height, width, 3) uint8; None where the picture is not there."""
        if part in self._parts:
            split = self._parts[part]
            row = int(np.searchsorted(split.index, index))
            if row == len(split) or split.index[row] != index:
                return None
            pixels: np.ndarray = datasets.pictures(self._name, split.inputs[row : row + 1])[0]
            return pixels
        if self._sheet is not None and (part, index) in self._sheet.images:
            return np.asarray(Image.open(io.BytesIO(self._sheet.images[part, index])))
        return None

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
