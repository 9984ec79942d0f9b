"""Figures of the images page."""

import numpy as np
import plotly.graph_objects as go

from influence.explorer.charts import compact
from influence.explorer.images import Images, Pick, Removal

_BLUE, _ORANGE, _GREY = "rgb(0, 114, 178)", "rgb(213, 94, 0)", "#8a8a8a"


def weight_histogram(images: Images, pick: Pick) -> go.Figure:
    """The weights of all training images, the bars whose images are kept in colour; a bar can be clicked."""
    bins = images.bins(pick.target)
    centre = (bins["left"] + bins["right"]) / 2
    colors = np.where(bins["kept"] == 0, _GREY, np.where(centre > 0, _BLUE, _ORANGE))
    shown = np.where(bins["kept"] == 0, "none of them can be shown", bins["kept"].astype(str) + " of them can be shown")
    figure = go.Figure()
    figure.add_bar(
        x=centre,
        y=bins["images"],
        width=bins["right"] - bins["left"],
        marker_color=colors,
        customdata=list(zip(bins["left"], bins["right"], shown, strict=True)),
        hovertemplate="weight %{customdata[0]:.3f} to %{customdata[1]:.3f}<br>training images: about %{y:,.0f}, "
        "%{customdata[2]}<extra></extra>",
    )
    figure.update_yaxes(type="log", title="training images", range=[-0.5, np.log10(len(images.train)) + 0.1])
    figure.update_xaxes(title="weight: hurts (left of 0) or helps (right)")
    return compact(figure, legend=False)


def removal_curve(removal: Removal, count: int) -> go.Figure:
    """Predicted margin as training images are taken away: the most positive first, or at random."""
    figure = go.Figure()
    band = 2 * removal.spread
    figure.add_scatter(
        x=np.concatenate([removal.counts, removal.counts[::-1]]),
        y=np.concatenate([removal.at_random + band, (removal.at_random - band)[::-1]]),
        fill="toself",
        fillcolor="rgba(138, 138, 138, 0.25)",
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
    )
    for name, values, color, dash in (
        ("most positive removed", removal.without, _BLUE, "solid"),
        ("as many at random", removal.at_random, _GREY, "dash"),
    ):
        figure.add_scatter(
            x=removal.counts,
            y=values,
            mode="lines",
            name=name,
            line={"color": color, "dash": dash, "width": 2.5},
            hovertemplate="%{x:,} removed: margin %{y:.2f}<extra></extra>",
        )
    figure.add_hline(y=0, line_color=_ORANGE, line_width=1.5)
    figure.add_vline(x=count, line_dash="dot", line_color=_GREY)
    if removal.support is not None and removal.support <= removal.counts[-1]:
        figure.add_scatter(
            x=[removal.support],
            y=[0],
            mode="markers",
            marker={"symbol": "x", "size": 11, "color": _ORANGE},
            name="data support",
            hovertemplate=f"data support: {removal.support:,}<extra></extra>",
        )
    figure.update_xaxes(title="training images removed")
    figure.update_yaxes(title="predicted margin")
    return compact(figure)
