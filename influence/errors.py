"""The one exception whose message is meant for the person at the keyboard."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class InfluenceError(Exception):
    """Something the user can mend. The message is one sentence or two: what is wrong, and what to do."""


_STORAGE_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_WRITABLE = {errno.EROFS, errno.EACCES, errno.EPERM}


@contextmanager
def explain_write_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals while writing below ``path`` into an `InfluenceError`.

    safetensors and Arrow wrap the system's error in classes of their own, so the text is looked at too.
    """
    try:
        yield
    except InfluenceError:
        raise
    except Exception as error:
        number = getattr(error, "errno", None)
        text = str(error)
        if number in _STORAGE_FULL or any(w in text for w in ("No space left", "File too large", "quota exceeded")):
            raise InfluenceError(
                f"The disk that holds {path} is full: nothing was kept of this run. Free some space and start it again."
            ) from error
        if number in _NOT_WRITABLE or any(w in text for w in ("Read-only file system", "Permission denied")):
            raise InfluenceError(
                f"{path} can't be written to ({text}): choose a folder that can, with --out."
            ) from error
        if isinstance(error, OSError):
            raise InfluenceError(f"Writing to {path} failed ({text}): nothing was kept of this run.") from error
        raise
