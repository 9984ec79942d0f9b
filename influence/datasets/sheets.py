"""Pictures that ship: some examples of a data set, to be shown where the data set itself is not on this machine.

A sheet is one Parquet file, ``precomputed/<data set>-pictures.parquet``, with the columns part ("test" or "train"),
index (int32) and image (a lossless WebP). Its metadata hold the data set's content_hash and its source.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from influence import homes
from influence.errors import InfluenceError, explain_write_errors


@dataclass(frozen=True)
class Sheet:
    """Pictures of some examples of a data set.

    Attributes
    ----------
    dataset_hash : str
        The content_hash of the whole data set that the examples are from.
    images : dict of (str, int) to bytes
        A WebP for each part ("test" or "train") and index.
    """

    dataset_hash: str
    images: dict[tuple[str, int], bytes]


def path_of(name: str) -> Path:
    """The file that a checkout has for a data set, if it has one."""
    return homes.precomputed_home() / f"{name}-pictures.parquet"


def read(name: str) -> Sheet | None:
    """Read the pictures of a data set that ship; None where there are none.

    Raises
    ------
    InfluenceError
        If the file is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = path_of(name)
    if not path.exists():
        return None
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        rows = (table[column].to_pylist() for column in ("part", "index", "image"))
        images = {(part, index): image for part, index, image in zip(*rows, strict=True)}
        return Sheet(table.schema.metadata[b"dataset_hash"].decode(), images)
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise InfluenceError(
            f"{path} is damaged: get it again with `git checkout -- {path.name}` in its folder."
        ) from error


def write(path: Path, dataset_hash: str, pictures: dict[tuple[str, int], np.ndarray], source: str) -> None:
    """Write a sheet.

    Parameters
    ----------
    path : Path
    dataset_hash : str
        The content_hash of the whole data set.
    pictures : dict of (str, int) to array
        For each part and index, (height, width) grey or (height, width, 3) uint8.
    source : str
        Where the data set comes from.

    Raises
    ------
    InfluenceError
        If the file can't be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [(part, index, _webp(pixels)) for (part, index), pixels in sorted(pictures.items())]
    schema = pa.schema(
        [("part", pa.string()), ("index", pa.int32()), ("image", pa.binary())],
        metadata={"dataset_hash": dataset_hash, "source": source},
    )
    columns = [pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), schema, strict=True)]
    with explain_write_errors(path):
        # Images are compressed already.
        pq.write_table(
            pa.Table.from_arrays(columns, schema=schema),
            path,
            compression="none",
            use_dictionary=["part"],
            write_statistics=False,
            write_page_checksum=True,
        )


def _webp(pixels: np.ndarray) -> bytes:
    """Encode a picture without loss, in the smallest such format that browsers and Pillow read."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", lossless=True, quality=100, method=6)
    return buffer.getvalue()
