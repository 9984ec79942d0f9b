"""Pictures to pick: enlarged smoothly, with a score bar and two lines below; one tab stop, arrows, Enter, Space."""

import zlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import streamlit as st

from influence.explorer.parts.heading import HEADING_CSS, HEADING_JS, Heading
from influence.explorer.parts.picking import PICKING_JS, clicked, triggered
from influence.explorer.parts.pictures import Strip
from influence.explorer.parts.tiles_script import TILES_CSS, TILES_JS

_component = st.components.v2.component(
    "influence.tiles",
    html='<div class="part"><div class="head"></div><div class="tiles" role="listbox"></div>'
    '<div class="peek" popover="manual" aria-hidden="true"></div></div>',
    css=HEADING_CSS + TILES_CSS,
    js=HEADING_JS + PICKING_JS + TILES_JS,
)


@dataclass(frozen=True)
class Tile:
    """One picture.

    Parameters
    ----------
    id : int
        The example's own index, which a pick names.
    pictures : tuple of int or None
        Where its picture is on the strip: `Strip.place`. A second one stands beside the first. None shows ``stand_in``.
    lines : tuple of str
        At most two lines below; ``**bold**`` is bold. They wrap, and are never cut.
    alt : str
        All of it in words.
    score : float or None
        Draws a bar, and ``number`` before the first line: blue where it is positive, orange where it is negative.
    number : str
        The score as it is written: "+0.17".
    details : tuple of str
        What the enlarged picture says under it, on hover or focus.
    stand_in : str
        What stands in the place of a picture that is not on this machine, such as its class.
    """

    id: int
    pictures: tuple[int | None, ...]
    lines: tuple[str, ...]
    alt: str
    score: float | None = None
    number: str = ""
    details: tuple[str, ...] = ()
    stand_in: str = ""


def tiles(
    items: Sequence[Tile],
    strip: Strip,
    *,
    key: str,
    label: str,
    on_pick: Callable[[int], None],
    heading: Heading | None = None,
    on_more: Callable[[], None] | None = None,
    selected: int | None = None,
    ticked: Collection[int] | None = None,
    on_tick: Callable[[int], None] | None = None,
    size: int = 115,
    columns: int | None = None,
    narrow: Literal["wrap", "strip"] = "wrap",
    scale: float | None = None,
) -> None:
    """Show pictures; ``on_pick`` is called with the id of the one that is picked, before the page runs again.

    Parameters
    ----------
    items : sequence of Tile
    strip : Strip
        Their pictures, from `Pictures.strip`.
    key : str
        Of the component. Without one that stays, it would lose the keyboard's focus.
    label : str
        What it is, for those who hear it, and for tests.
    on_pick : callable
    heading : Heading or None
    on_more : callable or None
        Called when the heading's button is pressed.
    selected : int or None
        The id of the one with a ring.
    ticked : collection of int or None
        The ids whose box is ticked; None draws no boxes.
    on_tick : callable or None
        Called with the id whose box is pressed.
    size : int
        The least width of a picture, in pixels.
    columns : int or None
        How many stand in a row; None is as many as fit.
    narrow : "wrap" or "strip"
        Whether on a phone they wrap, or make one row that scrolls.
    scale : float or None
        The score whose bar is full, the same for both signs; None is the greatest there is.
    """
    _component(
        key=key,
        data={
            **_drawn(items, strip, size, columns, narrow, scale, ticked is not None),
            "heading": None if heading is None else asdict(heading),
            "selected": selected,
            "ticked": None if ticked is None else sorted(ticked),
            "label": label,
        },
        on_clicked_change=clicked(key, on_pick),
        on_ticked_change=triggered(key, "ticked", lambda event: on_tick(int(event)) if on_tick else None),
        on_more_change=triggered(key, "more", lambda _: on_more() if on_more else None),
    )


def _drawn(
    items: Sequence[Tile],
    strip: Strip,
    size: int,
    columns: int | None,
    narrow: str,
    scale: float | None,
    has_boxes: bool,
) -> dict[str, Any]:
    """What the script draws, with a signature: drawn anew, it would lose the focus, so only a change draws it anew."""
    drawn = [asdict(item) for item in items]
    largest = scale or max((abs(item.score) for item in items if item.score is not None), default=0.0)
    shown = (drawn, strip.signature, size, columns, narrow, largest, has_boxes)
    return {
        "items": drawn,
        "strip": strip.data(),
        "size": size,
        "columns": columns,
        "narrow": narrow,
        "scale": largest,
        "signature": f"{zlib.crc32(repr(shown).encode()):08x}",
    }
