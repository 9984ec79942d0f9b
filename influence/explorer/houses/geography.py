"""What helps one find one's way on the map of California: outlines, towns, and what the map shows at first."""

from collections.abc import Iterable

import pandas as pd

from influence.explorer.houses.picks import nearest_km
from influence.explorer.parts.maps import Bounds

REGION = "California"
OUTLINES = "california.geojson"  # in static/; the file says where it is from
SOURCES = (
    "Map: U.S. Census Bureau, cartographic boundaries of 2023 (1:5,000,000), and Natural Earth (lakes and Mexico), "
    "both in the public domain, simplified; towns by hand, to a hundredth of a degree. Houses that share a spot are "
    "drawn side by side, and discs that would cover each other are set apart."
)
WHOLE: Bounds = (-124.5, 32.5, -114.1, 42.05)

# Latitude and longitude of the middle of towns, to two decimals: well-known ones, by hand, the large before the small.
TOWNS = {
    "Los Angeles": (34.05, -118.24),
    "San Diego": (32.72, -117.16),
    "San Francisco": (37.77, -122.42),
    "San Jose": (37.34, -121.89),
    "Sacramento": (38.58, -121.49),
    "Fresno": (36.74, -119.79),
    "Bakersfield": (35.37, -119.02),
    "Oakland": (37.80, -122.27),
    "Stockton": (37.96, -121.29),
    "Santa Rosa": (38.44, -122.71),
    "Redding": (40.59, -122.39),
    "Santa Barbara": (34.42, -119.70),
    "Palm Springs": (33.83, -116.55),
    "Eureka": (40.80, -124.16),
    "Salinas": (36.68, -121.66),
    "Riverside": (33.95, -117.40),
    "Modesto": (37.64, -121.00),
    "Anaheim": (33.84, -117.91),
    "Long Beach": (33.77, -118.19),
    "Palo Alto": (37.44, -122.15),
    "Fremont": (37.55, -121.99),
    "Concord": (37.98, -122.03),
    "Chico": (39.73, -121.84),
    "San Luis Obispo": (35.28, -120.66),
    "Oxnard": (34.20, -119.18),
    "San Bernardino": (34.11, -117.29),
    "Visalia": (36.33, -119.29),
    "Merced": (37.30, -120.48),
    "Lancaster": (34.70, -118.14),
    "Escondido": (33.12, -117.09),
    "El Centro": (32.79, -115.56),
    "Barstow": (34.90, -117.02),
    "Needles": (34.85, -114.61),
    "Bishop": (37.36, -118.40),
    "South Lake Tahoe": (38.94, -119.98),
    "Ukiah": (39.15, -123.21),
    "Susanville": (40.42, -120.65),
    "Yreka": (41.73, -122.63),
    "Crescent City": (41.76, -124.20),
    "Alturas": (41.49, -120.54),
    "Ridgecrest": (35.62, -117.67),
    "Santa Maria": (34.95, -120.44),
    "Santa Ana": (33.75, -117.87),
    "Irvine": (33.68, -117.83),
    "Pasadena": (34.15, -118.14),
    "Santa Cruz": (36.97, -122.03),
    "Monterey": (36.60, -121.89),
    "Napa": (38.30, -122.29),
    "Vallejo": (38.10, -122.26),
    "Berkeley": (37.87, -122.27),
    "Richmond": (37.94, -122.35),
    "San Rafael": (37.97, -122.53),
    "Hayward": (37.67, -122.08),
    "San Mateo": (37.56, -122.32),
    "Mountain View": (37.39, -122.08),
    "Walnut Creek": (37.91, -122.06),
    "Livermore": (37.68, -121.77),
    "Antioch": (38.00, -121.81),
    "Daly City": (37.69, -122.47),
    "Half Moon Bay": (37.46, -122.43),
    "Gilroy": (37.01, -121.57),
    "Davis": (38.54, -121.74),
    "Yuba City": (39.14, -121.62),
    "Truckee": (39.33, -120.18),
    "Oceanside": (33.20, -117.38),
    "Temecula": (33.49, -117.15),
    "Pomona": (34.06, -117.75),
    "Torrance": (33.84, -118.34),
    "Santa Clarita": (34.39, -118.54),
    "Palmdale": (34.58, -118.12),
    "Ventura": (34.28, -119.29),
    "Redwood City": (37.49, -122.24),
    "Sunnyvale": (37.37, -122.04),
    "Cupertino": (37.32, -122.03),
    "Menlo Park": (37.45, -122.18),
    "Los Altos": (37.38, -122.11),
    "East Palo Alto": (37.47, -122.14),
    "Stanford": (37.42, -122.17),
}


def around(places: Iterable[pd.DataFrame], least: float = 0.05) -> Bounds:
    """The box that holds some places, at least so many degrees high and wide."""
    both = pd.concat([frame[["longitude", "latitude"]] for frame in places]).dropna()
    low, high = both.min(), both.max()
    middle, half = (low + high) / 2, ((high - low) / 2).clip(lower=least / 2)
    (west, south), (east, north) = (middle - half).round(4), (middle + half).round(4)
    return float(west), float(south), float(east), float(north)


def whereabouts(house: pd.DataFrame) -> str:
    """How far one house is from the nearest town that the map knows: "8 km from Vallejo"."""
    towns = pd.DataFrame.from_dict(TOWNS, orient="index", columns=["latitude", "longitude"])
    km = nearest_km(towns, house)
    nearest = int(km.argmin())
    return f"in {towns.index[nearest]}" if km[nearest] < 3 else f"{km[nearest]:.0f} km from {towns.index[nearest]}"
