"""Numbers, commands and names in a form that people read."""

import re
import shlex
from pathlib import Path


def duration(seconds: float) -> str:
    """About how long: 45 s, 12 min, 3 h 20 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def command(*arguments: str) -> str:
    """``python -m influence ARGUMENTS``, as it can be pasted into a shell."""
    return shlex.join(["python", "-m", "influence", *arguments])


def inline_code(text: str) -> str:
    """A Markdown code span, also of text that has backticks."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence, space = "`" * (longest + 1), " " if longest else ""
    return f"{fence}{space}{text}{space}{fence}"


def readable(text: str) -> str:
    """Text with UTF-8's characters in place of what stands for bytes that the system's own encoding does not have.

    Where that encoding is not UTF-8, Python keeps the bytes of a name as lone surrogates, which a repr writes out as
    ``\\udcc3``. Bytes that are not UTF-8 become ``\\xff``.
    """
    surrogates = re.sub(r"\\u(dc[89a-f][0-9a-f])", lambda found: chr(int(found[1], 16)), text)
    return surrogates.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def typed(path: Path) -> str:
    """A path as it would be typed in the folder where the server runs; a shell may want it quoted."""
    try:
        short = str(path.resolve().relative_to(Path.cwd().resolve()))
    except ValueError:
        return str(path)
    return f"./{short}" if short.startswith("-") else short  # else it would be an option
