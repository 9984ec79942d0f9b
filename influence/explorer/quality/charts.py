"""Figures of the quality page. The key to the lines of each is text above it, so that it never hides any of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from influence import evidence
from influence.explorer.parts.theme import Colours
from influence.explorer.quality.words import CHOICES, fitted_sizes, lds_table
from influence.explorer.verdicts import Judged, number


@dataclass(frozen=True)
class Look:
    """How a line or a set of points is drawn; colour never tells alone.

    Parameters
    ----------
    name, colour : str
    symbol, dash : str
        As plotly calls them; an empty one is not drawn.
    """

    name: str
    colour: str
    symbol: str = ""
    dash: str = ""


@dataclass(frozen=True)
class Chart:
    """A figure, the key to it, and what it shows in words, for those who can't see it."""

    figure: go.Figure
    key: Sequence[Look]
    alt: str


def choices(colours: Colours) -> dict[str, Look]:
    """What was removed: what helped is blue and what hurt orange, as everywhere."""
    return {
        "helpful": Look(CHOICES["helpful"], colours.helped_disc, "circle", "solid"),
        "harmful": Look(CHOICES["harmful"], colours.hurt_disc, "diamond", "dashdot"),
        "neighbours": Look(CHOICES["neighbours"], colours.ink, "square-open", "dash"),
        "random": Look(CHOICES["random"], colours.muted, "x-thin", "dot"),
    }


# --- models that it has not seen ------------------------------------------------------------------------------------


def lds_chart(lds: Judged, colours: Colours) -> Chart:
    """Each method's score with its interval, and the best possible one where it is known."""
    table = lds_table(lds).iloc[::-1]
    figure = go.Figure()
    figure.add_scatter(
        x=table["LDS"],
        y=table["scores"],
        mode="markers+text",
        text=[number(value) for value in table["LDS"]],
        textposition="top center",
        cliponaxis=False,
        marker={
            "size": 11,
            "color": [colours.ink if name == "this result" else colours.muted for name in table["scores"]],
        },
        error_x=_errors(table["LDS"], table["low"], table["high"], colours.muted),
        hovertemplate="%{y}: LDS %{x:.3f}<extra></extra>",
    )
    top = max(lds.best or 0, float(table["high"].max()))
    if lds.best is not None:
        figure.add_vline(x=lds.best, line_dash="dash", line_color=colours.ink, line_width=1)
        figure.add_annotation(
            x=lds.best,
            y=1,
            yref="paper",
            yanchor="bottom",
            xanchor="right",
            text=f"best possible, about {number(lds.best)}",
            showarrow=False,
            font={"color": colours.ink},
        )
    figure.update_xaxes(title="LDS, mean over targets", range=[min(-0.03, 1.1 * table["low"].min()), 1.12 * top + 0.02])
    figure.update_yaxes(showgrid=False, range=[-0.6, len(table) - 0.2])
    alt = ", ".join(f"{name} {number(value)}" for name, value in zip(table["scores"], table["LDS"], strict=True))
    framed = _framed(figure, colours, 80 + 46 * len(table)).update_layout(margin_t=28)
    return Chart(framed, (), f"LDS by scores: {alt}.")


def lds_histogram(per_target: pd.DataFrame, colours: Colours) -> Chart:
    """How the score is spread over targets: this result's and that of neighbours."""
    looks = {
        "result": Look("this result", colours.ink, dash="solid"),
        "neighbours": Look("neighbours", colours.muted, dash="dot"),
    }
    known = {name: per_target[name].dropna() for name in looks if per_target[name].notna().any()}
    low = min((float(values.min()) for values in known.values()), default=0.0)
    high = max((float(values.max()) for values in known.values()), default=0.1)
    edges = np.linspace(min(low, 0), max(high, 0.1), 41)
    figure = go.Figure()
    for name, values in known.items():
        counts, _ = np.histogram(values, bins=edges)
        figure.add_scatter(
            x=(edges[:-1] + edges[1:]) / 2,
            y=counts,
            mode="lines",
            line={"color": looks[name].colour, "dash": looks[name].dash, "shape": "hvh", "width": 1.8},
            fill="tozeroy" if name == "result" else None,
            fillcolor=colours.track,
            name=looks[name].name,
            hovertemplate=f"{looks[name].name}: LDS about %{{x:.2f}}: %{{y:,}} targets<extra></extra>",
        )
    figure.update_xaxes(title="LDS of a target")
    figure.update_yaxes(title="targets", rangemode="tozero")
    return Chart(
        _framed(figure, colours, 250),
        [looks[name] for name in known],
        "How LDS is spread over targets, of this result and of neighbours.",
    )


def scaling_chart(scores: pd.DataFrame, own: str, colours: Colours) -> Chart:
    """Each estimator's score by the number of models that it was fitted on; what needs none is a level line."""
    figure, key = go.Figure(), []
    looks = iter((("square", "dash"), ("diamond", "dashdot"), ("triangle-up", "longdash"), ("cross", "dot")))
    fitted = fitted_sizes(scores).sort_values("models")
    for name, rows in fitted.groupby("estimator", observed=True, sort=False):
        symbol, dash = ("circle", "solid") if name == own else next(looks, ("circle-open", "dot"))
        look = Look(str(name), colours.ink if name == own else colours.muted, symbol, dash)
        key.append(look)
        figure.add_scatter(
            x=rows["models"],
            y=rows["mean"],
            mode="lines+markers",
            name=look.name,
            cliponaxis=False,
            line={"color": look.colour, "dash": dash, "width": 2},
            marker={"symbol": symbol, "size": 9, "color": look.colour},
            error_y=_errors(rows["mean"], rows["low"], rows["high"], look.colour),
            hovertemplate=f"{name}, %{{x:,}} models: LDS %{{y:.3f}}<extra></extra>",
        )
    levels = scores[scores["estimator"].isin(list(evidence.REFERENCES))].sort_values("mean")
    low, high = float(scores["low"].min()), float(scores["high"].max())
    reach = high - low or 1.0
    for row, place in zip(levels.itertuples(), _apart(levels["mean"].to_numpy(float), 0.075 * reach), strict=True):
        figure.add_hline(y=row.mean, line_dash="dot", line_color=colours.line, line_width=1.5)
        figure.add_annotation(
            x=1,
            xref="paper",
            xanchor="left",
            y=place,
            yanchor="middle",
            text=f"{row.estimator} {number(float(str(row.mean)))}",
            showarrow=False,
            font={"size": 12, "color": colours.muted},
        )
    _count_axis(figure, sorted(set(fitted["models"])), "models that were fitted")
    figure.update_yaxes(title="LDS, mean over targets", range=[low - 0.08 * reach, high + 0.1 * reach])
    framed = _framed(figure, colours, 340).update_layout(margin_r=112)
    return Chart(framed, key, "LDS by estimator and number of fitted models; the table has the figures.")


# --- removal --------------------------------------------------------------------------------------------------------


def removal_scatter(
    frame: pd.DataFrame, unit: str, has_scale: bool, noun: str, target: int | None, colours: Colours
) -> Chart:
    """Predicted against measured change, a point a removal that can be clicked; ``target``'s are ringed."""
    figure, key = go.Figure(), []
    if has_scale and len(frame):
        both = frame[["predicted", "measured"]]
        ends = [float(both.min().min()), float(both.max().max())]
        line = Look("as predicted", colours.muted, dash="dot")
        key.append(line)
        figure.add_scatter(
            x=ends,
            y=ends,
            mode="lines",
            line={"color": line.colour, "dash": line.dash},
            name=line.name,
            hoverinfo="skip",
        )
    for choice, look in reversed(choices(colours).items()):  # the many random ones below
        rows = frame[frame["choice"] == choice]
        if rows.empty:
            continue
        key.insert(0, Look(look.name, look.colour, look.symbol))
        figure.add_scatter(
            x=rows["predicted"],
            y=rows["measured"],
            mode="markers",
            marker={
                "color": look.colour,
                "symbol": look.symbol,
                "size": 9,
                "opacity": 0.8,
                "line": {"width": 1.5, "color": look.colour},
            },
            name=look.name,
            customdata=_clickable(rows),
            hovertemplate=f"test {noun} %{{customdata[0]}}, %{{customdata[1]}} {look.name} removed<br>"
            "predicted %{x:.3g}, measured %{y:.3g}%{customdata[2]}<extra></extra>",
        )
    if target is not None:
        own = frame[frame["target"] == target]
        ring = Look(f"test {noun} {target}", colours.ink, "circle-open")
        key.append(ring)
        figure.add_scatter(
            x=own["predicted"],
            y=own["measured"],
            mode="markers",
            marker={"symbol": ring.symbol, "size": 18, "color": ring.colour, "line": {"width": 2.5}},
            name=ring.name,
            hoverinfo="skip",
        )
    scale = unit if has_scale else "up to a factor"
    figure.update_xaxes(title=f"predicted change ({scale})", zeroline=True, zerolinecolor=colours.line)
    figure.update_yaxes(title=f"measured change ({unit})", zeroline=True, zerolinecolor=colours.line)
    return Chart(
        _framed(figure, colours, 400),
        key,
        "Predicted against measured change of every removal; the list finds a target.",
    )


def _clickable(rows: pd.DataFrame) -> list[list[int | str]]:
    """target, count and error of each, as lists: then a click returns lists."""
    return [
        [int(target), int(count), "" if np.isnan(error) else f" ± {error:.2g}"]
        for target, count, error in rows[["target", "count", "error"]].itertuples(index=False)
    ]


def removal_curve(curves: pd.DataFrame, what: str, title: str, colours: Colours) -> Chart:
    """``flipped`` or ``measured`` against how many were removed, with intervals over targets and all controls."""
    figure, key = go.Figure(), []
    for choice, look in choices(colours).items():
        rows = curves[curves["choice"] == choice].sort_values("count")
        if rows.empty or rows[what].isna().all():
            continue
        key.append(look)
        figure.add_scatter(
            x=rows["count"],
            y=rows[what],
            mode="lines+markers",
            cliponaxis=False,
            line={"color": look.colour, "dash": look.dash, "width": 2},
            marker={
                "symbol": look.symbol,
                "size": 8,
                "color": look.colour,
                "line": {"width": 1.5, "color": look.colour},
            },
            error_y=_errors(rows[what], rows[f"{what}_low"], rows[f"{what}_high"], look.colour),
            name=look.name,
            hovertemplate=f"{look.name}, %{{x:,}} removed: %{{y:.3g}}<extra></extra>",
        )
    nothing = curves[curves["choice"] == "none"][what].dropna()
    if len(nothing):
        level = Look("nothing removed", colours.line, dash="solid")
        key.append(level)
        figure.add_hline(y=float(nothing.iloc[0]), line_dash=level.dash, line_color=level.colour, layer="below")
    _count_axis(figure, sorted({int(count) for count in curves["count"] if count > 0}), "training examples removed")
    figure.update_yaxes(title=title)
    if what == "flipped":
        figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    return Chart(_framed(figure, colours, 290), key, f"{title.capitalize()}, by how many were removed and which.")


# --- wrong labels ---------------------------------------------------------------------------------------------------


def mislabel_curve(curves: pd.DataFrame, colours: Colours) -> Chart:
    """Flips found against examples inspected, by ranking; the diagonal is a ranking at random."""
    looks = {
        "self-influence": Look("self-influence", colours.ink, dash="solid"),
        "own-weight": Look("own-weight", colours.ink, dash="dot"),
        "loss": Look("loss", colours.muted, dash="solid"),
        "held-out-loss": Look("held-out-loss", colours.muted, dash="dash"),
    }
    figure, key = go.Figure(), []
    for ranking, look in looks.items():
        rows = curves[curves["ranking"] == ranking].sort_values("inspected")
        if rows.empty:
            continue
        key.append(look)
        figure.add_scatter(
            x=rows["inspected"],
            y=rows["found"],
            mode="lines",
            line={"color": look.colour, "dash": look.dash, "width": 2.2},
            name=look.name,
            hovertemplate=f"{look.name}: %{{y:.0%}} of the flips in the first %{{x:.0%}}<extra></extra>",
        )
    chance = Look("at random", colours.line, dash="solid")
    key.append(chance)
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": chance.colour}, name=chance.name, hoverinfo="skip"
    )
    figure.add_vline(x=0.2, line_dash="dot", line_color=colours.line)
    figure.update_xaxes(title="training examples inspected", tickformat=".0%", range=[0, 1])
    figure.update_yaxes(title="flips found", tickformat=".0%", range=[0, 1.04])
    return Chart(_framed(figure, colours, 320), key, "Share of the flips found, by share inspected and ranking.")


# --- what all share -------------------------------------------------------------------------------------------------


def _errors(
    mean: "pd.Series[float]", low: "pd.Series[float]", high: "pd.Series[float]", colour: str
) -> dict[str, object]:
    return {
        "type": "data",
        "symmetric": False,
        "array": high - mean,
        "arrayminus": mean - low,
        "thickness": 1.2,
        "width": 3,
        "color": colour,
    }


def _count_axis(figure: go.Figure, counts: Sequence[int], title: str) -> None:
    """A logarithmic axis that names the numbers that were tried, but for those that would overlap the one before."""
    named: list[int] = []
    for count in reversed(counts):  # the largest is always named: it is what a result was made of
        if not named or named[-1] >= 1.35 * count:
            named.append(count)
    figure.update_xaxes(
        title=title,
        type="log",
        tickvals=named[::-1],
        ticktext=[f"{count:,}" for count in reversed(named)],
        minor={"showgrid": False, "ticks": ""},
    )
    if counts:
        low, high = np.log10(counts[0]), np.log10(counts[-1])
        pad = 0.08 * (high - low) or 0.2
        figure.update_xaxes(range=[low - pad, high + pad])


def _apart(values: np.ndarray, least: float) -> list[float]:
    """Move the labels of rising values, so that two are at least so far apart."""
    places: list[float] = []
    for value in values:
        places.append(max(value, places[-1] + least) if places else value)
    return places


def _framed(figure: go.Figure, colours: Colours, height: int) -> go.Figure:
    figure.update_xaxes(gridcolor=colours.line, zeroline=False, automargin=True, tickfont={"color": colours.muted})
    figure.update_yaxes(gridcolor=colours.line, zeroline=False, automargin=True, tickfont={"color": colours.muted})
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 12, "t": 10, "b": 8},
        showlegend=False,
        font={"color": colours.ink, "size": 12},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        dragmode=False,
    )
    return figure
