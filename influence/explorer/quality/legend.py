"""The key to a chart's lines and points, as text with small drawings: it wraps where a page is narrow."""

from collections.abc import Iterable
from html import escape
from urllib.parse import quote

from influence.explorer.quality.charts import Look

_DASHES = {"solid": "", "dot": "1.5 3", "dash": "6 3", "longdash": "9 3", "dashdot": "6 3 1.5 3"}
_STYLE = "display:inline-flex;align-items:center;gap:6px;white-space:nowrap"


def html(looks: Iterable[Look]) -> str:
    """One item a look."""
    items = "".join(f'<span style="{_STYLE}">{_drawn(look)}{escape(look.name)}</span>' for look in looks)
    return f'<div style="display:flex;flex-wrap:wrap;gap:2px 16px;font-size:13px">{items}</div>'


def _drawn(look: Look) -> str:
    line = ""
    if look.dash:
        dashes = f' stroke-dasharray="{_DASHES[look.dash]}"' if _DASHES[look.dash] else ""
        line = f'<path d="M0 7H26" stroke="{look.colour}" stroke-width="2"{dashes} fill="none"/>'
    size = 'width="26" height="14"'
    drawn = f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 26 14">{line}{_symbol(look)}</svg>'
    return f'<img src="data:image/svg+xml,{quote(drawn)}" alt="" {size}>'


def _symbol(look: Look) -> str:
    name, _, how = look.symbol.partition("-")
    fill = "none" if how == "open" else look.colour
    shape = {
        "circle": '<circle cx="13" cy="7" r="4.5"',
        "square": '<rect x="9" y="3" width="8" height="8"',
        "diamond": '<path d="M13 1.5 18 7 13 12.5 8 7Z"',
        "triangle": '<path d="M13 2 18 11.5H8Z"',
        "cross": '<path d="M11.5 2.5h3v3h3v3h-3v3h-3v-3h-3v-3h3Z"',
        "x": '<path d="M9 3 17 11M17 3 9 11"',
    }.get(name)
    return "" if shape is None else f'{shape} fill="{fill}" stroke="{look.colour}" stroke-width="1.5"/>'
