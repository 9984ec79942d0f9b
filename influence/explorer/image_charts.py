"""Figures of the images page."""

import numpy as np

from influence.explorer.image_records import Pick, Removal
from influence.explorer.images import Images
from influence.explorer.parts.drawing import Frame, legend, picture, steps


def weight_histogram(images: Images, pick: Pick) -> str:
    """The scores of all training images, the bars whose images are kept in colour; a bar can be picked by its number.

    The heights are logarithmic, from below a single image on.
    """
    bins, words = images.bins(pick.target), images.words
    one = words.score.capitalize()
    frame = Frame(bins["left"].iloc[0], bins["right"].iloc[-1], -0.5, np.log10(len(images.train)) + 0.1)
    marks = []
    for place, (left, right, count, kept) in enumerate(zip(*(bins[name].tolist() for name in bins), strict=True)):
        color = "grey" if kept == 0 else "blue" if left + right > 0 else "orange"
        marks.append(
            frame.mark(
                left,
                right,
                f"{words.number(left)} to {words.number(right)}: about {count:,.0f}, {kept} to show",
                frame.bar(left, right, np.log10(max(count, 1e-3)), color),
                place,
                f"{one} {words.number(left)} to {words.number(right)}: about {count:,.0f} training images, "
                f"{kept or 'none'} of them can be shown",
            )
        )
    axes = frame.axes(
        [(value, f"{value:g}") for value in steps(frame.left, frame.right)],
        [(power, f"{10**power:,}") for power in range(int(frame.top) + 1)],
        words.axis,
        "training images",
    )
    return picture(
        f"Histogram of the {words.scores}",
        f"How those of all training images for test image {pick.target} are spread; a bar shows its images.",
        [axes, *marks],
        "listbox",
    )


def removal_curve(removal: Removal, count: int) -> str:
    """Predicted margin as training images are taken away: the most positive first, or at random.

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
        legend([("blue", "most positive"), ("grey", "as many at random, ± 2 s.d.")]),
        frame.path("polygon", np.concatenate([x, x[::-1]]), np.concatenate([highest, lowest[::-1]]), "band grey"),
        frame.path("polyline", [0.0, x[-1]], [0.0, 0.0], "line orange"),
        frame.path("polyline", x, removal.at_random, "line grey dashed"),
        frame.path("polyline", x, removal.without, "line blue"),
        frame.upright(float(np.log1p(count)), "grey dotted"),
    ]
    if removal.support is not None and removal.support <= removal.counts[-1]:
        parts.append(
            f'<text class="fill orange" x="{frame.x(np.log1p(removal.support)):.2f}%" y="{frame.y(0):.1f}" dy="0.35em" '
            f'text-anchor="middle">✖</text>'
        )
    for place, number in enumerate(removal.counts):
        without, at_random, _ = removal.at(int(number))
        said = f"{number:,} removed: margin {without:+.2f}, at random {at_random:+.2f}"
        parts.append(frame.mark(edges[place], edges[place + 1], said))
    now, at_random, _ = removal.at(count)
    support = "never" if removal.support is None else f"after {removal.support:,}"
    return picture(
        "Predicted margin by training images removed",
        f"{removal.without[0]:+.2f} with all; {now:+.2f} without the {count:,} most positive, {at_random:+.2f} without "
        f"as many at random; negative {support}.",
        parts,
    )


def _round_counts(last: int) -> list[int]:
    """0, and the powers of ten."""
    return [0, *(10**power for power in range(len(str(last))))]
