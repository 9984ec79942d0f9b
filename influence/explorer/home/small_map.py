"""A small map as SVG: a house, lines to the training houses that helped and hurt it, and the land around them."""

import json
from functools import cache
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from influence.explorer.home.records import Story
from influence.explorer.parts.theme import Colours

WIDTH, HEIGHT = 280, 300
_MARGIN = 34  # pixels around what is shown


@cache
def land(path: Path) -> tuple[Any, ...]:
    """The outer lines of the counties, each (n, 2) longitude and latitude."""
    rings = []
    for feature in json.loads(path.read_text(encoding="utf-8"))["features"]:
        if feature["properties"]["kind"] != "county":
            continue
        geometry = feature["geometry"]
        polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
        rings += [np.asarray(ring, float)[:, :2] for polygon in polygons for ring in polygon]
    return tuple(rings)


def small_map(story: Story, test: pd.DataFrame, train: pd.DataFrame, colours: Colours, counties: Path) -> str:
    """Draw the map of a house's story."""
    house = test.loc[[story.target]]
    sides = [(sign, train.loc[frame["train"]]) for sign, frame in ((-1, story.hurt), (1, story.helped))]
    shown = pd.concat([house] + [frame for _, frame in sides])
    project = _projection(shown)
    x0, y0 = project(float(house["longitude"].iloc[0]), float(house["latitude"].iloc[0]))
    parts = [f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{colours.sea}"/>']
    parts += [_ring(ring, project, colours) for ring in land(counties)]
    points = [(sign, *project(row.longitude, row.latitude)) for sign, frame in sides for row in frame.itertuples()]
    for sign, x, y in points:
        color, dash = (colours.helped_bar, "") if sign > 0 else (colours.hurt_bar, ' stroke-dasharray="5 4"')
        line = f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x:.1f}" y2="{y:.1f}"'
        parts.append(f'{line} stroke="{color}" stroke-width="2" opacity=".75"{dash}/>')
    parts += [_disc(sign, x, y, colours) for sign, x, y in points]
    parts.append(
        f'<circle cx="{x0:.1f}" cy="{y0:.1f}" r="8" fill="{colours.page}" stroke="{colours.ink}" stroke-width="4"/>'
        f'<circle cx="{x0:.1f}" cy="{y0:.1f}" r="2" fill="{colours.ink}"/>'
    )
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">{"".join(parts)}</svg>'
    alt = f"Map of house {story.target} with the training houses that helped and hurt its price most"
    return (
        f'<img src="data:image/svg+xml,{quote(svg)}" alt="{escape(alt)}" '
        f'style="display:block;width:100%;aspect-ratio:{WIDTH}/{HEIGHT};border-radius:8px">'
    )


def _projection(shown: pd.DataFrame) -> Any:
    """Convert longitude and latitude to pixels, so that everything shown fits, north up."""
    squeeze = float(np.cos(np.radians(shown["latitude"].mean())))
    x, y = shown["longitude"] * squeeze, shown["latitude"]
    scale = min(
        (WIDTH - 2 * _MARGIN) / max(float(x.max() - x.min()), 0.05),
        (HEIGHT - 2 * _MARGIN) / max(float(y.max() - y.min()), 0.05),
    )
    middle = float(x.max() + x.min()) / 2, float(y.max() + y.min()) / 2

    def project(longitude: Any, latitude: Any) -> tuple[Any, Any]:
        return WIDTH / 2 + (longitude * squeeze - middle[0]) * scale, HEIGHT / 2 - (latitude - middle[1]) * scale

    return project


def _ring(ring: np.ndarray, project: Any, colours: Colours) -> str:
    """A county's line; nothing where it lies outside."""
    x, y = project(ring[:, 0], ring[:, 1])
    if x.max() < 0 or x.min() > WIDTH or y.max() < 0 or y.min() > HEIGHT:
        return ""
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return f'<polygon points="{points}" fill="{colours.land}" stroke="{colours.coast}"/>'


def _disc(sign: int, x: float, y: float, colours: Colours) -> str:
    color = colours.helped_disc if sign > 0 else colours.hurt_disc
    cross = f"M{x - 4:.1f} {y:.1f}h8" + (f"M{x:.1f} {y - 4:.1f}v8" if sign > 0 else "")
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="8.5" fill="{color}" stroke="{colours.page}" stroke-width="1.5"/>'
        f'<path d="{cross}" stroke="{colours.on_disc}" stroke-width="2" stroke-linecap="round"/>'
    )
