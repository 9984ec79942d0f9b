"""Drawings made here as SVG, which cost the browser less than a charting library: a click redraws them.

Across, everything is in percent of whatever the width is; down, in pixels. So text keeps its size on any screen.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import streamlit as st

from influence.explorer.parts.picking import PICKING_JS, clicked

HEIGHT = 200  # pixels between the axes' ends

_HTML = '<div class="drawing"></div>'

_CSS = """
.drawing { padding: 24px 14px 44px 52px; font-family: var(--st-font); color: var(--st-text-color); }
.drawing > svg { display: block; width: 100%; overflow: visible; }
text { fill: currentColor; font-size: 12px; font-variant-numeric: tabular-nums; }
.tick { opacity: 0.75; }
.rule { stroke: currentColor; opacity: 0.15; }
.blue { --ink: var(--st-blue-color, #0072b2); }
.orange { --ink: var(--st-orange-color, #d55e00); }
.grey { --ink: #8a8a8a; }
.fill { fill: var(--ink); }
.line { fill: none; stroke: var(--ink); stroke-width: 2.5; vector-effect: non-scaling-stroke; }
.band { fill: var(--ink); opacity: 0.25; }
.dashed { stroke-dasharray: 7 5; }
.dotted { stroke-dasharray: 2 4; stroke-width: 2; }
.hit { fill: transparent; }
.said { display: none; pointer-events: none; font-weight: 600; }
.mark:hover .hit, .mark:focus-visible .hit { fill: currentColor; fill-opacity: 0.08; }
.mark:hover .said, .mark:focus-visible .said { display: inline; }
.mark[role=option] { cursor: pointer; outline: none; }
.mark:focus-visible .hit { stroke: var(--st-primary-color); stroke-width: 2; }
.mark[aria-selected=true] .hit { fill: var(--st-primary-color); fill-opacity: 0.25; }
svg:has(.mark:hover, .mark:focus-visible) .legend { visibility: hidden; }
"""

_JS = """
export default function (component) {
  const { data, parentElement } = component;
  const root = parentElement.querySelector('.drawing');
  if (root.drawn !== data.svg) {  // drawn anew, it would lose the keyboard's focus
    root.innerHTML = data.svg;
    root.drawn = data.svg;
  }
  const marks = [...root.querySelectorAll('[role=option]')];
  makePickable(root, marks, component, () => marks.length);
  return () => {};
}
"""

_component = st.components.v2.component("influence.drawing", html=_HTML, css=_CSS, js=PICKING_JS + _JS)


def drawing(svg: str, *, key: str, on_pick: Callable[[int], None] | None = None, selected: int | None = None) -> None:
    """Show a drawing; ``on_pick`` is called with the id of the `mark` that is picked, before the page runs again."""
    _component(
        key=key,
        data={"svg": svg, "selected": selected},
        on_clicked_change=clicked(key, on_pick or (lambda _: None)),
    )


@dataclass(frozen=True)
class Frame:
    """The rectangle between two axes, and where values lie in it.

    Parameters
    ----------
    left, right, bottom, top : float
        The values at its sides.
    """

    left: float
    right: float
    bottom: float
    top: float

    def x(self, value: float) -> float:
        """Percent of the width."""
        return 100 * (value - self.left) / (self.right - self.left)

    def y(self, value: float) -> float:
        """Pixels from the top."""
        return HEIGHT * (self.top - value) / (self.top - self.bottom)

    def axes(
        self,
        x_ticks: Iterable[tuple[float, str]],
        y_ticks: Iterable[tuple[float, str]],
        x_title: str,
        y_title: str,
    ) -> str:
        """Ticks are pairs of a value and what stands there."""
        parts = []
        for value, text in y_ticks:
            y = f"{self.y(value):.1f}"
            parts.append(f'<line class="rule" x1="0" x2="100%" y1="{y}" y2="{y}"/>')
            parts.append(f'<text class="tick" x="-6" y="{y}" dy="0.35em" text-anchor="end">{escape(text)}</text>')
        for value, text in x_ticks:
            parts.append(
                f'<text class="tick" x="{self.x(value):.2f}%" y="{HEIGHT + 16}" text-anchor="middle">'
                f"{escape(text)}</text>"
            )
        parts.append(f'<text x="50%" y="{HEIGHT + 36}" text-anchor="middle">{escape(x_title)}</text>')
        parts.append(
            f'<text transform="translate(-40 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">{escape(y_title)}</text>'
        )
        return "".join(parts)

    def path(self, kind: str, x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray, looks: str) -> str:
        """A "polyline" or a "polygon" through points; in a frame of its own, since paths know no percent."""
        points = " ".join(f"{self.x(a):.3f},{self.y(b):.2f}" for a, b in zip(x, y, strict=True))
        return (
            f'<svg width="100%" height="{HEIGHT}" viewBox="0 0 100 {HEIGHT}" preserveAspectRatio="none">'
            f'<{kind} class="{looks}" points="{points}"/></svg>'
        )

    def upright(self, x: float, looks: str) -> str:
        """A line from the top to the bottom."""
        place = f"{self.x(x):.2f}%"
        return f'<line class="line {looks}" x1="{place}" x2="{place}" y1="0" y2="{HEIGHT}"/>'

    def bar(self, left: float, right: float, height: float, looks: str) -> str:
        """A bar from the bottom to ``height``."""
        top = min(max(self.y(height), 0.0), float(HEIGHT))
        return (
            f'<rect class="fill {looks}" x="{self.x(left):.3f}%" width="{self.x(right) - self.x(left):.3f}%" '
            f'y="{top:.1f}" height="{HEIGHT - top:.1f}"/>'
        )

    def mark(self, left: float, right: float, said: str, looks: str = "", id: int | None = None, alt: str = "") -> str:
        """Part of the width that shows ``said`` above the drawing while it is pointed at; with an id, it can be picked.

        Parameters
        ----------
        left, right : float
        said : str
        looks : str
            What is drawn in it, as SVG.
        id : int or None
        alt : str
            What it is, in words, for those who hear it.
        """
        role = "" if id is None else f' role="option" data-id="{id}" aria-label="{escape(alt)}"'
        return (
            f'<g class="mark"{role}>{looks}<rect class="hit" x="{self.x(left):.3f}%" '
            f'width="{self.x(right) - self.x(left):.3f}%" y="0" height="{HEIGHT}"/>'
            f'<text class="said" x="100%" y="-9" text-anchor="end">{escape(said)}</text></g>'
        )


def picture(title: str, description: str, parts: Iterable[str], role: str = "img") -> str:
    """The whole drawing; a "listbox" where its marks can be picked."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" height="{HEIGHT}" role="{role}" '
        f'aria-label="{escape(title)}. {escape(description)}">{"".join(parts)}</svg>'
    )


def legend(entries: Iterable[tuple[str, str]]) -> str:
    """Pairs of a colour and a name, one beside the other above the drawing."""
    spans = "".join(
        f'<tspan class="fill {color}" dx="{14 if place else 0}">■ </tspan><tspan>{escape(name)}</tspan>'
        for place, (color, name) in enumerate(entries)
    )
    return f'<text class="legend" x="0" y="-9">{spans}</text>'


def steps(low: float, high: float, about: int = 5) -> list[float]:
    """Round values that divide a range into about so many parts: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / about
    power = 10.0 ** np.floor(np.log10(rough))
    step = power * next(each for each in (1, 2, 5, 10) if each * power >= rough * 0.999)
    return [float(step * each) for each in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]
