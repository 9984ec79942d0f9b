"""What a manifest file looks like: JSON that ends with a digest of itself, so that any changed byte is noticed.

The last key, `DIGEST`, holds the SHA-256 of the file's bytes before it. Manifests that were written before there was
one end with their tables; they are read as before, and nothing can be said of a change in them.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

DIGEST = "manifest_sha256"
_LAST_BEFORE = "tables"  # the last key of a manifest without a digest


def to_bytes(manifest: Mapping[str, Any]) -> bytes:
    """The file's content; a digest among the values is replaced by the right one."""
    values = {name: value for name, value in manifest.items() if name != DIGEST}
    body = json.dumps(values, indent=2).removesuffix("\n}").encode()
    return body + _end(body)


def has_digest(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest, as it was parsed, was written with a digest; a damaged digest counts, too."""
    return next(reversed(list(manifest)), None) != _LAST_BEFORE


def is_unchanged(content: bytes) -> bool:
    """Whether a file's content ends with the digest of what stands before it, byte by byte."""
    body, _, _ = content.rpartition(b",\n")
    return content == body + _end(body)


def _end(body: bytes) -> bytes:
    return f',\n  "{DIGEST}": "{hashlib.sha256(body).hexdigest()}"\n}}\n'.encode()
