"""Figures of the images page."""

import numpy as np

from influence.explorer.images.picks import Removal, Spread
from influence.explorer.images.words import number
from influence.explorer.parts.drawing import Frame, legend, picture, steps


def histogram(spread: Spread, target: int, n_train: int) -> str:
    """How the scores of all training images are spread; bars whose images are kept have a colour and can be picked.

    The heights are logarithmic, from below a single image on. Where only the kept scores are known one by one, all
    others are a single block between them.
    """
    bars = spread.bars
    frame = Frame(bars["left"].iloc[0], bars["right"].iloc[-1], -0.5, np.log10(n_train) + 0.1)
    marks = []
    if not spread.is_whole:
        low, high = spread.edges
        said = f"{number(low)} to {number(high)}: {spread.between:,}, not counted one by one"
        marks.append(frame.mark(low, high, said, frame.bar(low, high, np.log10(max(spread.between, 1)), "grey")))
    for place, (left, right, count, kept) in enumerate(zip(*(bars[name].tolist() for name in bars), strict=True)):
        if not count:
            continue
        range_ = f"{number(left)} to {number(right)}"
        colour = "grey" if kept == 0 else "blue" if left + right > 0 else "orange"
        looks = frame.bar(left, right, np.log10(count), colour)
        said = f"{range_}: {count:,}" + ("" if kept == count else f", {kept} to show" if kept else "")
        alt = f"Score {range_}: {count:,} training images, {kept} of them can be shown"
        marks.append(frame.mark(left, right, said, looks, place if kept else None, alt))
    axes = frame.axes(
        [(value, f"{value:g}".replace("-", "−")) for value in steps(frame.left, frame.right)],
        [(power, f"{10**power:,}") for power in range(int(frame.top) + 1)],
        "score: hurt (left of 0) or helped (right)",
        "training images",
    )
    return picture(
        "Histogram of the scores",
        f"How those of all training images for test image {target} are spread; a coloured bar shows its images.",
        [axes, *marks],
        "listbox",
    )


def removal_curve(removal: Removal, count: int) -> str:
    """Predicted margin as training images are taken away: those that helped most first, or at random.

    Counts are on the axis by the logarithm of one more than them.
    """
    x, band = np.log1p(removal.counts), 2 * removal.spread
    lowest, highest = removal.at_random - band, removal.at_random + band
    values = np.concatenate([removal.without, lowest, highest, [0.0]])
    pad = 0.05 * float(np.ptp(values))
    frame = Frame(0.0, float(x[-1]), float(values.min()) - pad, float(values.max()) + pad)
    edges = np.concatenate([[x[0]], (x[:-1] + x[1:]) / 2, [x[-1]]])
    parts = [
        frame.axes(
            [(np.log1p(each), f"{each:,}") for each in _round_counts(int(removal.counts[-1]))],
            [(value, f"{value:g}") for value in steps(frame.bottom, frame.top)],
            "training images removed (logarithmic)",
            "predicted margin",
        ),
        legend([("blue", "those that helped most"), ("grey", "as many at random, ± 2 s.d.")]),
        frame.path("polygon", np.concatenate([x, x[::-1]]), np.concatenate([highest, lowest[::-1]]), "band grey"),
        frame.path("polyline", [0.0, x[-1]], [0.0, 0.0], "line grey"),
        frame.path("polyline", x, removal.at_random, "line grey dashed"),
        frame.path("polyline", x, removal.without, "line blue"),
        frame.upright(float(np.log1p(count)), "grey dotted"),
    ]
    if removal.support is not None and removal.support <= removal.counts[-1]:
        parts.append(
            f'<text class="fill orange" x="{frame.x(np.log1p(removal.support)):.2f}%" y="{frame.y(0):.1f}" dy="0.35em" '
            f'text-anchor="middle">✖</text>'
        )
    for place, each in enumerate(removal.counts.tolist()):
        without, at_random, _ = removal.at(each)
        said = f"{each:,} removed: margin {without:+.2f}, at random {at_random:+.2f}"
        parts.append(frame.mark(edges[place], edges[place + 1], said))
    now, at_random, _ = removal.at(count)
    support = "never" if removal.support is None else f"after {removal.support:,}"
    return picture(
        "Predicted margin by training images removed",
        f"{removal.without[0]:+.2f} with all; {now:+.2f} without the {count:,} that helped most, {at_random:+.2f} "
        f"without as many at random; negative {support}.",
        parts,
    )


def _round_counts(last: int) -> list[int]:
    """0, and the powers of ten."""
    return [0, *(10**power for power in range(len(str(last))))]
