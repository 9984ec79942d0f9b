"""A map that needs neither network nor WebGL: a component on a plain canvas, on which a group can be drawn around.

Streamlit's own map fades every other layer when something is picked, knows no box or lasso, is blank without WebGL, and
took three times as long from a click to its answer.
"""

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from influence.explorer.parts import theme

Bounds = tuple[float, float, float, float]  # west, south, east, north, in degrees
Place = tuple[float, float]  # longitude, latitude

_HERE = Path(__file__).parent
_HTML = """
<div class="map"><div class="sheet">
 <canvas tabindex="0" role="application"></canvas>
 <div class="tools">
  <button type="button" data-do="in" aria-label="Zoom in" title="Zoom in">+</button>
  <button type="button" data-do="out" aria-label="Zoom out" title="Zoom out">−</button>
  <button type="button" data-do="fit" aria-label="Back to the whole view" title="Back to the whole view">⌂</button>
  <button type="button" data-do="draw" aria-pressed="false">Draw around a group</button>
 </div>
 <div class="tip" hidden></div>
</div><div class="legend"></div></div>
"""


@dataclass(frozen=True)
class Paint:
    """How dots are coloured.

    Parameters
    ----------
    column : str
        The column of the dots that counts.
    breaks : tuple of float
        Rising; a dot has the ink of the first break that its value does not exceed.
    inks : tuple of (name, alpha)
        One more than breaks: a colour of `theme.Colours`, as CSS spells it, or "#0b5fa5", say, and its strength.
    order : tuple of int
        The places of the inks, the ones that are drawn first first.
    radius : float
        Of a dot, in pixels, before it grows with the zoom.
    """

    column: str
    breaks: tuple[float, ...]
    inks: tuple[tuple[str, float], ...]
    order: tuple[int, ...]
    radius: float = 2.9


@dataclass(frozen=True)
class Legend:
    """What the colours of dots mean: a word before the inks of a `Paint`, and one at each of their ends.

    Or a word for each ink, in ``each``, which stands between ``before`` and ``after``.
    """

    before: str
    low: str
    high: str
    after: str
    each: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mark:
    """A disc with a plus or a minus that can be picked.

    Parameters
    ----------
    id : int
    at : (longitude, latitude)
    sign : 1 or -1
    size : float
        The radius, in pixels.
    said : tuple of str
        Lines of its tooltip.
    """

    id: int
    at: Place
    sign: int
    size: float
    said: tuple[str, ...]


@dataclass(frozen=True)
class Picked:
    """A ring around what is picked; ``said`` names it on the map, where it is one thing."""

    at: Place
    said: str = ""


@dataclass(frozen=True)
class Told:
    """A line of a dot's tooltip.

    Parameters
    ----------
    name, column : str
    unit : str
        Written before the number.
    is_signed : bool
        Whether a plus is written.
    cap : float or None
        Values above are told as ``over``.
    words : tuple of str
        Where there are any, the value is the place of the word to tell.
    """

    name: str
    column: str
    unit: str = "$"
    is_signed: bool = False
    cap: float | None = None
    over: str = ""
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chart:
    """All that a map shows.

    Parameters
    ----------
    label : str
        What it shows, for those who hear it.
    outlines : str
        The name of a GeoJSON file in static/ whose features have a ``kind``: beyond, county or lake. Empty is none.
    dots : str or dict
        See `served`.
    noun : str
        What a dot is called in its tooltip.
    paint : Paint
    legend : Legend
    told : tuple of Told
    bounds : Bounds
        What it shows at first, and again whenever they change.
    marks : tuple of Mark
        The strongest first.
    picked : tuple of Picked
        One alone is joined to the marks by lines.
    chosen : int or None
        The id of the mark that has a ring.
    towns : mapping of name to (latitude, longitude)
        Those that come first are shown first.
    area : tuple of (longitude, latitude)
        What the reader drew around; empty is nothing.
    """

    label: str
    outlines: str
    dots: str | dict[str, Any]
    noun: str
    paint: Paint
    legend: Legend
    told: tuple[Told, ...]
    bounds: Bounds
    marks: tuple[Mark, ...] = ()
    picked: tuple[Picked, ...] = ()
    chosen: int | None = None
    towns: Mapping[str, Place] | None = None
    area: tuple[Place, ...] = ()


def _component() -> Callable[..., Any]:
    css, drawing, js = ((_HERE / name).read_text(encoding="utf-8") for name in ("map.css", "map_drawing.js", "map.js"))
    return st.components.v2.component("influence.map", html=_HTML, css=css, js=drawing + js)


_draw = _component()


def show(
    chart: Chart,
    *,
    key: str,
    height: int,
    on_dot: Callable[[int], None],
    on_mark: Callable[[int], None],
    on_area: Callable[[list[Place]], None] | None = None,
) -> None:
    """Show a map. Before the page runs again, ``on_dot`` or ``on_mark`` is called with the id of what was picked, or
    ``on_area`` with the corners that were drawn; without it, nothing can be drawn around.
    """
    data = asdict(chart) | {
        "outlines": chart.outlines and f"{_static()}/{chart.outlines}",
        "towns": [(name, *place[::-1]) for name, place in (chart.towns or {}).items()],
        "dark": theme.is_dark(),
        "height": height,
        "draws": on_area is not None,
    }
    data["signature"] = f"{zlib.crc32(json.dumps(data).encode()):08x}"

    def picked() -> None:
        event = st.session_state[key]["picked"]
        if event is not None:
            (kind, id_), *_ = event.items()
            (on_mark if kind == "mark" else on_dot)(int(id_))

    def drawn() -> None:
        corners = st.session_state[key]["area"]
        if corners is not None and on_area is not None:
            on_area([(float(longitude), float(latitude)) for longitude, latitude in corners])

    _draw(key=key, data=data, on_picked_change=picked, on_area_change=drawn)


def served(content: bytes, name: str) -> str | dict[str, Any]:
    """An address from which the browser fetches JSON once, or its content where there is no server, as in tests.

    Parameters
    ----------
    content : bytes
    name : str
        What it is, unlike all else that a page serves.
    """
    context = get_script_run_ctx()
    if context is None or not runtime.exists():
        found: dict[str, Any] = json.loads(content)
        return found
    address = runtime.get_instance().media_file_mgr.add(content, "application/json", name)
    return f"{_base()}{address}"


def _base() -> str:
    base = str(st.get_option("server.baseUrlPath")).strip("/")
    return f"/{base}" if base else ""


def _static() -> str:
    return f"{_base()}/app/static"
