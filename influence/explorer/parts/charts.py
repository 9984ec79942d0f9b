"""What all figures have in common."""

import plotly.graph_objects as go


def compact(figure: go.Figure, legend: bool = True) -> go.Figure:
    """The size and margins that all figures have."""
    figure.update_layout(
        height=280,
        margin={"l": 10, "r": 10, "t": 30, "b": 10},
        bargap=0,
        showlegend=legend,
        legend={"orientation": "h", "y": 1.15},
    )
    return figure
