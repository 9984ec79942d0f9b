"""Figures of the houses page."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from influence.explorer.houses.picks import Pick, score_bins
from influence.explorer.houses.records import Houses
from influence.explorer.parts import theme
from influence.explorer.parts.charts import compact

_GREY = "#8a8a8a"


def score_distribution(pick: Pick, n_train: int) -> go.Figure:
    """How the scores of all training houses are spread, with the shown proponents and opponents marked."""
    edges, counts = score_bins(pick, n_train)
    colours = theme.colours()
    figure = go.Figure()
    figure.add_bar(
        x=(edges[:-1] + edges[1:]) / 2,
        y=counts,
        width=np.diff(edges),
        marker_color=_GREY,
        name="all training houses",
        hovertemplate=f"score %{{x:.3g}}: {'' if pick.histogram else 'about '}%{{y:,.0f}} houses<extra></extra>",
    )
    for name, frame, color, symbol in (
        ("helped: proponents shown", pick.proponents, colours.helped_disc, "cross"),
        ("hurt: opponents shown", pick.opponents, colours.hurt_disc, "line-ew-open"),
    ):
        figure.add_scatter(
            x=frame["score"],
            y=np.full(len(frame), 0.7),
            mode="markers",
            marker={"symbol": symbol, "color": color, "size": 9, "line": {"width": 2, "color": color}},
            name=name,
            customdata=frame[["rank", "train"]],
            hovertemplate="rank %{customdata[0]:+d}: house %{customdata[1]}, score %{x:.3g}<extra></extra>",
        )
    figure.update_yaxes(type="log", title="training houses", range=[-0.5, np.log10(n_train) + 0.1])
    figure.update_xaxes(title="score: helped (right of 0) or hurt (left)")
    return compact(figure)


def self_influence_histogram(houses: Houses) -> go.Figure:
    """Self-influence of all training houses; its logarithm, since it spans six powers of ten."""
    values = np.log10(np.maximum(houses.train["self_influence"], 1e-12))
    counts, edges = np.histogram(values, bins=60)
    highest, lowest = houses.extremes
    figure = go.Figure()
    figure.add_bar(
        x=(edges[:-1] + edges[1:]) / 2,
        y=counts,
        width=np.diff(edges),
        customdata=10 ** ((edges[:-1] + edges[1:]) / 2),
        marker_color=_GREY,
        name="training houses",
        hovertemplate="about %{customdata:.3g}: %{y:,} houses<extra></extra>",
    )
    for value, text in (
        (lowest["self_influence"].max(), "lowest 100"),
        (highest["self_influence"].min(), "highest 100"),
    ):
        figure.add_vline(x=np.log10(value), line_dash="dash", line_color=_GREY, annotation_text=text)
    # Drawn in logarithms by hand: lines and their labels are misplaced on plotly's own logarithmic axis.
    decades = np.arange(np.floor(edges[0]), np.ceil(edges[-1]) + 1)
    figure.update_xaxes(title="self-influence", tickvals=decades, ticktext=[f"{10**decade:g}" for decade in decades])
    figure.update_yaxes(title="training houses")
    return compact(figure, legend=False)


def self_influence_scatter(houses: Houses, against: str, title: str) -> go.Figure:
    """Self-influence against another column, for every house that has it."""
    frame = houses.train.dropna(subset=[against])
    figure = go.Figure()
    figure.add_scattergl(
        x=frame[against],
        y=frame["self_influence"],
        mode="markers",
        marker={"size": 4, "opacity": 0.4, "color": theme.colours().muted},
        customdata=frame.index,
        hovertemplate="house %{customdata}: %{x:$,.0f}, self-influence %{y:.3g}<extra></extra>",
    )
    figure.update_xaxes(title=title, tickprefix="$")
    figure.update_yaxes(type="log", title="self-influence")
    return compact(figure, legend=False)


def loss_curve(curve: Mapping[str, Sequence[float | None]]) -> go.Figure:
    """Mean squared error at each checkpoint."""
    figure = go.Figure()
    for part, dash in (("train", "solid"), ("test", "dash")):
        figure.add_scatter(x=curve["epoch"], y=curve[f"{part}_loss"], mode="lines+markers", name=part, line_dash=dash)
    figure.update_xaxes(title="epoch (a marker is a checkpoint)")
    figure.update_yaxes(title="mean squared error", rangemode="tozero")
    return compact(figure)
