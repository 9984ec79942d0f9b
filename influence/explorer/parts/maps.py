"""Maps of California that need no network: county lines from a file, no basemap.

Streamlit fades every other layer when something is selected, except the lines of a GeoJsonLayer; so the dots that can
be clicked are GeoJSON points drawn as thick lines, and a pick keeps its neighbours' colours.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pydeck as pdk

# Okabe and Ito's colours, told apart with any colour vision; the sky blue stands for the blue on dark ground.
BLUE, ORANGE, SKY, GREEN, PINK = (0, 114, 178), (213, 94, 0), (86, 180, 233), (0, 158, 115), (204, 121, 167)
VIEWS = {
    "California": pdk.ViewState(latitude=37.3, longitude=-119.3, zoom=4.6),
    "Palo Alto": pdk.ViewState(latitude=37.43, longitude=-122.135, zoom=11.6),
}
PICKABLE = "houses"  # the layer whose objects a click selects

_TOWNS = {
    "Los Angeles": (34.05, -118.24),
    "San Diego": (32.72, -117.16),
    "San Francisco": (37.77, -122.42),
    "San Jose": (37.34, -121.89),
    "Sacramento": (38.58, -121.49),
    "Fresno": (36.74, -119.79),
    "Bakersfield": (35.37, -119.02),
    "Redding": (40.59, -122.39),
    "Eureka": (40.80, -124.16),
    "Santa Barbara": (34.42, -119.70),
    "Palm Springs": (33.83, -116.55),
}
_PLACES = {
    "Palo Alto": (37.442, -122.152),
    "Stanford": (37.424, -122.166),
    "Mountain View": (37.389, -122.084),
    "Los Altos": (37.385, -122.114),
    "Menlo Park": (37.453, -122.182),
    "East Palo Alto": (37.469, -122.141),
}


@dataclass(frozen=True)
class Style:
    """What follows the theme."""

    dark: bool
    static_url: str  # where the app's static folder is served

    @property
    def ink(self) -> list[int]:
        return [235, 235, 235] if self.dark else [40, 40, 40]

    @property
    def blue(self) -> tuple[int, int, int]:
        return SKY if self.dark else BLUE

    @property
    def muted(self) -> list[int]:
        return [140, 140, 140] if self.dark else [120, 120, 120]


def picking_map(style: Style, houses: pd.DataFrame, picked: Iterable[int], view: pdk.ViewState) -> pdk.Deck:
    """Test houses to click; the picked ones are ringed."""
    few = len(houses) < 100
    houses = _side_by_side(houses)
    ringed = houses.loc[houses.index.isin(list(picked))]
    return _deck(
        [
            _counties(style),
            _dots(PICKABLE, houses, [*(style.blue if few else style.muted)], 12 if few else 5),
            _labels(style, _PLACES if few else _TOWNS),
            _rings("picked", style, ringed, 20 if few else 14),
        ],
        view,
        {"html": "House {house}<br>price {price}<br>model {prediction}"},
    )


def influence_map(
    style: Style, proponents: pd.DataFrame, opponents: pd.DataFrame, houses: pd.DataFrame, view: pdk.ViewState
) -> pdk.Deck:
    """Training houses sized by score: proponents blue with a plus, opponents orange with a minus; targets ringed."""
    points = _signed_points(proponents, "+", style.blue) + _signed_points(opponents, "−", ORANGE)
    points.sort(key=lambda point: -point["size"])  # the small ones on top
    return _deck(
        [
            _counties(style),
            _discs("influence", points),
            _glyphs(points),
            _labels(style, _TOWNS),
            _rings("targets", style, houses, 16),
        ],
        view,
        {"html": "{rank}: house {house}<br>score {score}<br>price {price}<br>model {prediction}"},
    )


def extremes_map(
    style: Style, houses: pd.DataFrame, color: tuple[int, int, int], ringed: pd.DataFrame, view: pdk.ViewState
) -> pdk.Deck:
    """Training houses of extreme self-influence, all of one size."""
    points = [
        _properties(row) | {"position": [row.longitude, row.latitude], "color": [*color, 200], "size": 6,
                            "self_influence": f"{row.self_influence:.4g}"}
        for row in _rows(houses)
    ]  # fmt: skip
    return _deck(
        [_counties(style), _discs("extremes", points), _labels(style, _TOWNS), _rings("ringed", style, ringed, 18)],
        view,
        {"html": "House {house}<br>self-influence {self_influence}<br>price {price}<br>model {prediction}"},
    )


def view_around(houses: pd.DataFrame, pixels: int = 440) -> pdk.ViewState:
    """The closest view, up to a city, in which all the houses fit."""
    latitude, longitude = houses["latitude"], houses["longitude"]
    # Degrees of longitude that a degree of latitude is as tall as, in the middle of California.
    span = max(longitude.max() - longitude.min(), 1.26 * (latitude.max() - latitude.min()), 0.01)
    return pdk.ViewState(
        latitude=round(float(latitude.max() + latitude.min()) / 2, 3),
        longitude=round(float(longitude.max() + longitude.min()) / 2, 3),
        zoom=round(min(math.log2(360 / 512 * pixels / span), 9.5), 2),
    )


def clicked(selection: Any) -> int | None:
    """The house that a map's selection names, if any (a click on empty space clears it)."""
    objects = selection["selection"]["objects"].get(PICKABLE, [])
    return int(objects[0]["properties"]["house"]) if objects else None


def dollars(value: float) -> str:
    return "unknown" if pd.isna(value) else f"${value:,.0f}"


def _deck(layers: list[pdk.Layer], view: pdk.ViewState, tooltip: dict[str, str]) -> pdk.Deck:
    return pdk.Deck(layers=layers, map_provider=None, initial_view_state=view, tooltip=tooltip)


def _counties(style: Style) -> pdk.Layer:
    return pdk.Layer(
        "GeoJsonLayer",
        id="counties",
        data=f"{style.static_url}/california_counties.geojson",
        filled=True,
        get_fill_color=[*style.muted, 28],
        get_line_color=[*style.muted, 130],
        line_width_min_pixels=1,
        pickable=False,
    )


def _labels(style: Style, places: dict[str, tuple[float, float]]) -> pdk.Layer:
    return pdk.Layer(
        "TextLayer",
        id="places",
        data=[{"name": name, "position": [longitude, latitude]} for name, (latitude, longitude) in places.items()],
        get_position="position",
        get_text="name",
        get_size=12,
        get_color=[*style.ink, 170],
        font_family="'sans-serif'",
        get_pixel_offset=[0, -10],
        pickable=False,
    )


def _rows(frame: pd.DataFrame) -> Any:
    return frame.itertuples()


def _side_by_side(houses: pd.DataFrame) -> pd.DataFrame:
    """Set houses of equal coordinates (the census gives two decimals) a little apart, so that each can be clicked."""
    shift = 0.0035 * houses.groupby(["latitude", "longitude"]).cumcount()
    return houses.assign(longitude=houses["longitude"] + shift)


def _properties(row: Any) -> dict[str, Any]:
    return {"house": int(row.Index), "price": dollars(row.price), "prediction": dollars(row.prediction)}


def _signed_points(frame: pd.DataFrame, sign: str, color: tuple[int, int, int]) -> list[dict[str, Any]]:
    largest = frame["score"].abs().max()
    return [
        _properties(row)
        | {
            "rank": f"{row.rank:+d}",
            "score": f"{row.score:+.4g}",
            "position": [row.longitude, row.latitude],
            "color": [*color, 220],
            "size": round(5 + 9 * float(abs(row.score) / largest) ** 0.5, 1),
            "sign": sign,
        }
        for row in _rows(frame.set_index("train"))
    ]


def _discs(name: str, points: list[dict[str, Any]]) -> pdk.Layer:
    return pdk.Layer(
        "ScatterplotLayer",
        id=name,
        data=points,
        get_position="position",
        get_fill_color="color",
        get_radius="size",
        radius_units="'pixels'",
        stroked=True,
        get_line_color=[255, 255, 255, 200],
        line_width_min_pixels=1,
        pickable=True,
    )


def _glyphs(points: list[dict[str, Any]]) -> pdk.Layer:
    return pdk.Layer(
        "TextLayer",
        id="signs",
        data=points,
        get_position="position",
        get_text="sign",
        get_size="size * 2",
        get_color=[255, 255, 255, 255],
        character_set="'+−'",
        font_family="'sans-serif'",
        font_weight="'bold'",
        pickable=False,
    )


def _features(houses: pd.DataFrame) -> dict[str, Any]:
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": _properties(row),
                "geometry": {"type": "Point", "coordinates": [round(row.longitude, 4), round(row.latitude, 4)]},
            }
            for row in _rows(houses)
        ],
    }


def _dots(name: str, houses: pd.DataFrame, color: list[int], pixels: float) -> pdk.Layer:
    """Solid dots: circles of half the size whose line is as wide as the dot."""
    return pdk.Layer(
        "GeoJsonLayer",
        id=name,
        data=_features(houses),
        point_type="'circle'",
        filled=False,
        stroked=True,
        get_line_color=[*color, 190],
        line_width_units="'pixels'",
        get_line_width=pixels / 2,
        point_radius_units="'pixels'",
        get_point_radius=pixels / 4,
        pickable=True,
    )


def _rings(name: str, style: Style, houses: pd.DataFrame, pixels: float) -> pdk.Layer:
    return pdk.Layer(
        "GeoJsonLayer",
        id=name,
        data=_features(houses),
        point_type="'circle'",
        filled=False,
        stroked=True,
        get_line_color=[*style.ink, 255],
        line_width_units="'pixels'",
        get_line_width=3,
        point_radius_units="'pixels'",
        get_point_radius=pixels / 2,
        pickable=False,
    )
