"""The colours of both themes. Blue and a plus helped, orange and a minus hurt; nothing else uses these hues."""

from dataclasses import dataclass, fields

import streamlit as st


@dataclass(frozen=True)
class Colours:
    """The colours of a theme, as CSS writes them.

    Attributes
    ----------
    page, side, soft : str
        The grounds of the page, the sidebar and of panels.
    ink, muted, line, track : str
        Text, small text, borders, and what a bar fills.
    helped, helped_bar, helped_disc, hurt, hurt_bar, hurt_disc : str
        Text, bars and sign discs of what helped and of what hurt.
    on_disc : str
        The sign on a disc.
    too_little, too_much : str
        Of a house's error; never beside influence without its word.
    land, sea, coast : str
        Of maps.
    """

    page: str
    side: str
    soft: str
    ink: str
    muted: str
    line: str
    track: str
    helped: str
    helped_bar: str
    helped_disc: str
    hurt: str
    hurt_bar: str
    hurt_disc: str
    on_disc: str
    too_little: str
    too_much: str
    land: str
    sea: str
    coast: str

    def variables(self) -> str:
        """Declarations of CSS variables: ``--helped-bar: #3b8bd0; ...``."""
        return "".join(f"--{each.name.replace('_', '-')}:{getattr(self, each.name)};" for each in fields(self))


LIGHT = Colours(
    page="#ffffff",
    side="#f7f7f5",
    soft="#f7f7f5",
    ink="#1f2328",
    muted="#5f666f",
    line="#e5e5e1",
    track="#ecece8",
    helped="#0b5fa5",
    helped_bar="#3b8bd0",
    helped_disc="#2b7bc0",
    hurt="#a8480b",
    hurt_bar="#db7529",
    hurt_disc="#c85f17",
    on_disc="#ffffff",
    too_little="#3c8a57",
    too_much="#7b4a9e",
    land="#f1f2ef",
    sea="#fbfcfc",
    coast="#c9cdca",
)
DARK = Colours(
    page="#131619",
    side="#1a1e22",
    soft="#1d2226",
    ink="#eceff1",
    muted="#a5adb6",
    line="#2b3137",
    track="#2a3036",
    helped="#84c1f3",
    helped_bar="#4d9ddd",
    helped_disc="#4d9ddd",
    hurt="#f6ad75",
    hurt_bar="#e08945",
    hurt_disc="#e08945",
    on_disc="#131619",
    too_little="#6fbf8b",
    too_much="#b58ad6",
    land="#1d2226",
    sea="#14181b",
    coast="#3d464d",
)

# Of up to ten classes, where dots are coloured by them; each can be seen on either ground.
CLASSES = (
    *("#3b8bd0", "#db7529", "#3c9a6a", "#b3579e", "#b59a00"),
    *("#6b6fd0", "#c8505a", "#2fa0a8", "#8a7356", "#8a9099"),
)


def is_dark() -> bool:
    """Whether the reader's theme is dark."""
    return bool(st.context.theme.type == "dark")


def colours() -> Colours:
    """The colours of the reader's theme."""
    return DARK if is_dark() else LIGHT
