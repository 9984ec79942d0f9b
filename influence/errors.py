"""The one exception whose message is meant for the person at the keyboard."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class InfluenceError(Exception):
    """Something the user can mend. The message is one sentence or two: what is wrong, and what to do.

    Parameters
    ----------
    message : str
    typed : str or None
        The message on the command line, where that has an option to do it with.
    """

    def __init__(self, message: str, typed: str | None = None) -> None:
        super().__init__(message)
        self.typed = typed or message

    def reworded(self, old: str, new: str) -> "InfluenceError":
        """The same error in other words."""
        return InfluenceError(str(self).replace(old, new), self.typed.replace(old, new))


_STORAGE_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_WRITABLE = {errno.EROFS, errno.EACCES, errno.EPERM}


@contextmanager
def explain_write_errors(path: Path, option: str | None = None, variable: str | None = None) -> Iterator[None]:
    """Turn the operating system's refusals while writing below ``path`` into an `InfluenceError`.

    ``option`` of the command line, or else the environment's ``variable``, chooses another place, if there is one.
    safetensors and Arrow wrap the system's error in classes of their own, so the text is looked at too.
    """
    try:
        yield
    except InfluenceError:
        raise
    except Exception as error:
        number = getattr(error, "errno", None)
        text = _without_hidden_names(error, path)
        if number in _STORAGE_FULL or any(w in text for w in ("No space left", "File too large", "quota exceeded")):
            raise InfluenceError(
                f"The disk that holds {path} is full: nothing was kept of this run. Free some space and start it again."
            ) from error
        if number in _NOT_WRITABLE or any(w in text for w in ("Read-only file system", "Permission denied")):
            refused = f"{path} can't be written to ({text})"
            other = f", or set {variable} to a folder that is" if variable else ""
            typed = f"{refused}: choose a folder that can, with {option}." if option else None
            raise InfluenceError(f"{refused}: make it writable{other}.", typed) from error
        if isinstance(error, OSError):
            failed = f"Writing to {path} failed ({text}): nothing was kept of this run."
            typed = f"{failed} Choose another folder with {option}." if option else None
            raise InfluenceError(failed, typed) from error
        raise


def _without_hidden_names(error: Exception, path: Path) -> str:
    """What an error says; of the system's, its words, and its file unless that is the path or a hidden one."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    name = str(error.filename or path)
    return error.strerror if ".partial-" in name or name == str(path) else f"{error.strerror}: {name}"
