"""Figures of the quality page."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from influence import evidence
from influence.explorer.parts.charts import compact
from influence.explorer.parts.maps import BLUE, GREEN, ORANGE, PINK
from influence.explorer.quality.words import CHOICES, Judged, fitted_sizes, lds_table

_GREY = "#8a8a8a"
_BLUE, _ORANGE, _GREEN, _PINK = (f"rgb{color}" for color in (BLUE, ORANGE, GREEN, PINK))
# Colour never tells alone: each has a symbol and a dash of its own.
_LOOKS = {
    "helpful": (_BLUE, "circle", "solid"),
    "harmful": (_ORANGE, "diamond", "dashdot"),
    "neighbours": (_GREEN, "square", "dash"),
    "random": (_GREY, "x-thin-open", "dot"),
}
_RANKINGS = {
    "self-influence": (_BLUE, "solid"),
    "own-weight": (_ORANGE, "dashdot"),
    "loss": (_PINK, "dash"),
    "held-out-loss": (_GREEN, "longdash"),
}

_ESTIMATORS = {
    "prior-informed": (_BLUE, "circle", "solid"),
    "lasso": (_ORANGE, "diamond", "dashdot"),
    "ridge": (_GREEN, "square", "dash"),
    "difference-in-means": (_PINK, "triangle-up", "longdash"),
}


def sizes_chart(scores: pd.DataFrame) -> go.Figure:
    """Each estimator's score by the number of models that it was fitted on; what needs none is a level line."""
    figure = go.Figure()
    for name, rows in fitted_sizes(scores).sort_values("models").groupby("estimator", observed=True, sort=False):
        color, symbol, dash = _ESTIMATORS.get(str(name), (_GREY, "circle", "solid"))
        figure.add_scatter(
            x=rows["models"],
            y=rows["mean"],
            mode="lines+markers",
            name=str(name),
            line={"color": color, "dash": dash},
            marker={"symbol": symbol, "size": 9},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": rows["high"] - rows["mean"],
                "arrayminus": rows["mean"] - rows["low"],
            },
            hovertemplate=f"{name}, %{{x:,}} models: LDS %{{y:.3f}}<extra></extra>",
        )
    for row in scores[scores["estimator"].isin(list(evidence.REFERENCES))].itertuples():
        figure.add_hline(
            y=row.mean, line_dash="dot", line_color=_GREY, annotation_text=str(row.estimator), annotation_font_size=11
        )
    figure.update_xaxes(title="models that were fitted", type="log")
    figure.update_yaxes(title="LDS, mean over targets")
    return compact(figure)


def lds_chart(lds: Judged) -> go.Figure:
    """Each method's score with its interval, and the best possible one where it is known."""
    table = lds_table(lds).iloc[::-1]
    figure = go.Figure()
    figure.add_scatter(
        x=table["LDS"],
        y=table["scores"],
        mode="markers",
        marker={"size": 11, "color": [_BLUE if name == "this result" else _GREY for name in table["scores"]]},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": table["high"] - table["LDS"],
            "arrayminus": table["LDS"] - table["low"],
        },
        hovertemplate="%{y}: LDS %{x:.3f}<extra></extra>",
    )
    figure.add_vline(x=0, line_color=_GREY, line_width=1)
    if lds.best is not None:
        figure.add_vline(
            x=lds.best,
            line_dash="dash",
            line_color=_ORANGE,
            annotation_text=f"best possible, about {lds.best:.2f}",
            annotation_position="bottom left",
        )
    figure.update_xaxes(
        title="LDS, mean over targets", range=[-0.05, max(1.08 * (lds.best or 0), 0.5, 1.2 * table["high"].max())]
    )
    return compact(figure, legend=False)


def lds_histogram(per_target: pd.DataFrame) -> go.Figure:
    """How the score is spread over targets: this result's and that of neighbours."""
    shown = per_target[["neighbours", "result"]].to_numpy(float)
    low, high = np.nanmin(shown, initial=0), np.nanmax(shown, initial=0.1)
    edges = np.linspace(low, high, 41)
    figure = go.Figure()
    for name, title, color in (("neighbours", "neighbours", _GREY), ("result", "this result", _BLUE)):
        values = per_target[name].dropna()
        if values.empty:
            continue
        counts, _ = np.histogram(values, bins=edges)
        figure.add_bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=counts,
            width=np.diff(edges),
            marker_color=color,
            opacity=0.65,
            name=title,
            hovertemplate=f"{title}: LDS about %{{x:.2f}}: %{{y:,}} targets<extra></extra>",
        )
    figure.update_layout(barmode="overlay")
    figure.update_xaxes(title="LDS of a target")
    figure.update_yaxes(title="targets")
    return compact(figure)


def removal_scatter(frame: pd.DataFrame, unit: str, has_scale: bool, noun: str, target: int | None) -> go.Figure:
    """Predicted against measured change, a point a removal that can be clicked; ``target``'s are ringed."""
    figure = go.Figure()
    if has_scale and len(frame):
        ends = [
            float(frame[["predicted", "measured"]].min().min()),
            float(frame[["predicted", "measured"]].max().max()),
        ]
        figure.add_scatter(
            x=ends, y=ends, mode="lines", line={"color": _GREY, "dash": "dot"}, name="as predicted", hoverinfo="skip"
        )
    for choice, (color, symbol, _) in reversed(_LOOKS.items()):  # the many random ones below
        rows = frame[frame["choice"] == choice]
        if rows.empty:
            continue
        figure.add_scatter(
            x=rows["predicted"],
            y=rows["measured"],
            mode="markers",
            marker={
                "color": color,
                "symbol": symbol,
                "size": 8,
                "opacity": 0.75,
                "line": {"width": 1.5, "color": color},
            },
            name=CHOICES[choice],
            customdata=_clickable(rows),
            hovertemplate=f"test {noun} %{{customdata[0]}}, %{{customdata[1]}} {CHOICES[choice]} removed<br>"
            "predicted %{x:.3g}, measured %{y:.3g}%{customdata[2]}<extra></extra>",
        )
    if target is not None:
        own = frame[frame["target"] == target]
        figure.add_scatter(
            x=own["predicted"],
            y=own["measured"],
            mode="markers",
            marker={"symbol": "circle-open", "size": 16, "color": _ORANGE, "line": {"width": 2}},
            name=f"test {noun} {target}",
            hoverinfo="skip",
        )
    scale = unit if has_scale else "up to a factor"
    figure.update_xaxes(title=f"predicted change ({scale})")
    figure.update_yaxes(title=f"measured change ({unit})")
    return compact(figure).update_layout(height=420)


def _clickable(rows: pd.DataFrame) -> list[list[int | str]]:
    """target, count and error of each, as lists: then a click returns lists."""
    return [
        [int(target), int(count), "" if np.isnan(error) else f" ± {error:.2g}"]
        for target, count, error in rows[["target", "count", "error"]].itertuples(index=False)
    ]


def removal_curve(curves: pd.DataFrame, what: str, title: str) -> go.Figure:
    """``flipped`` or ``measured`` against how many were removed, with intervals over targets and all controls."""
    figure = go.Figure()
    for choice, (color, _, dash) in _LOOKS.items():
        rows = curves[curves["choice"] == choice].sort_values("count")
        if rows.empty or rows[what].isna().all():
            continue
        figure.add_scatter(
            x=rows["count"],
            y=rows[what],
            mode="lines+markers",
            line={"color": color, "dash": dash, "width": 2.5},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": rows[f"{what}_high"] - rows[what],
                "arrayminus": rows[what] - rows[f"{what}_low"],
                "thickness": 1,
            },
            name=CHOICES[choice],
            hovertemplate=f"{CHOICES[choice]}, %{{x:,}} removed: %{{y:.3g}}<extra></extra>",
        )
    nothing = curves[curves["choice"] == "none"][what].dropna()
    if len(nothing):
        figure.add_hline(y=float(nothing.iloc[0]), line_dash="dot", line_color=_GREY, annotation_text="nothing removed")
    figure.update_xaxes(title="training examples removed", type="log", dtick=1)
    figure.update_yaxes(title=title)
    if what == "flipped":
        figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    return compact(figure)


def mislabel_curve(curves: pd.DataFrame) -> go.Figure:
    """Flips found against examples inspected, by ranking; the diagonal is a ranking at random."""
    figure = go.Figure()
    for ranking, (color, dash) in _RANKINGS.items():
        rows = curves[curves["ranking"] == ranking].sort_values("inspected")
        if rows.empty:
            continue
        figure.add_scatter(
            x=rows["inspected"],
            y=rows["found"],
            mode="lines",
            line={"color": color, "dash": dash, "width": 2.5},
            name=ranking,
            hovertemplate=f"{ranking}: %{{y:.0%}} of the flips in the first %{{x:.0%}}<extra></extra>",
        )
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": _GREY, "dash": "dot"}, name="at random", hoverinfo="skip"
    )
    figure.add_vline(x=0.2, line_dash="dot", line_color=_GREY)
    figure.update_xaxes(title="training examples inspected", tickformat=".0%")
    figure.update_yaxes(title="flips found", tickformat=".0%")
    return compact(figure).update_layout(height=360, legend={"y": -0.3})
