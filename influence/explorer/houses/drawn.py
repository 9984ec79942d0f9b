"""Small drawings of the houses page in HTML: the line from price to price, and how houses compare."""

from collections.abc import Sequence
from html import escape

from influence.explorer.houses.features import Stand

_LINE_CSS = """
.from-to{position:relative;height:50px;margin:4px 10px 0;font-size:12.5px;color:var(--ink)}
.from-to .track{position:absolute;left:0;right:0;top:23px;height:6px;border-radius:3px;background:var(--track)}
.from-to .gap{position:absolute;top:23px;height:6px;opacity:.75}
.from-to .dot{position:absolute;top:26px;width:13px;height:13px;border-radius:50%;transform:translate(-50%,-50%);
 border:2.4px solid var(--ink);background:var(--page);box-sizing:border-box}
.from-to .dot.model{background:var(--ink)}
.from-to .name{position:absolute;top:0;transform:translateX(-50%);white-space:nowrap}
.from-to .end{position:absolute;top:33px;color:var(--muted);font-size:12px}
"""
_COMPARE_CSS = """
.compare{width:100%;border-collapse:collapse;font-size:13.5px;font-variant-numeric:tabular-nums;color:var(--ink)}
.compare th,.compare td{border:0!important;padding:2.5px 0;text-align:right;font-weight:400;white-space:nowrap}
.compare thead th{font-size:12.5px;padding-bottom:3px;vertical-align:bottom;white-space:normal}
.compare th:first-child{text-align:left;padding-right:10px}
.compare thead th:first-child{font-size:14px;font-weight:650}
.compare td.own{font-weight:650}
.compare .plus{color:var(--helped)}
.compare .minus{color:var(--hurt)}
.compare td+td,.compare td+th,.compare th+th{padding-left:14px}
.compare .scale{width:38%}
.compare thead .scale span{display:flex;justify-content:space-between;gap:8px;color:var(--muted)}
.compare .track{position:relative;height:5px;border-radius:3px;background:var(--track);margin:0 8px}
.compare i{position:absolute;top:50%;width:14px;height:14px;border-radius:50%;transform:translate(-50%,-50%);
 border:1.5px solid var(--page);box-sizing:border-box;color:var(--on-disc);font:700 11px/10px sans-serif;
 text-align:center}
.compare i.plus{background:var(--helped-disc);color:var(--on-disc)}
.compare i.minus{background:var(--hurt-disc);color:var(--on-disc)}
.compare i.own{border:3px solid var(--ink);background:var(--page)}
@media(max-width:640px){.compare .scale{display:none}}
"""

_SIGNS = {"plus": "+", "minus": "−", "own": ""}


def from_to(true: float, model: float, low: float, high: float, high_said: str) -> str:
    """A line on which the true price and the model's stand, in dollars."""

    def place(value: float) -> float:
        return 100 * min(max((value - low) / (high - low), 0.0), 1.0)

    at = {"true": place(true), "model": place(model)}
    colour = "too-little" if model < true else "too-much"
    left, right = sorted(at.values())
    if right - left < 15:  # names that would touch stand apart
        middle = (left + right) / 2
        lower = "true" if true <= model else "model"
        named = {lower: middle - 7.5, "model" if lower == "true" else "true": middle + 7.5}
    else:
        named = at
    named = {name: min(max(value, 3.0), 97.0) for name, value in named.items()}
    dots = "".join(f'<span class="dot {name}" style="left:{value:.1f}%"></span>' for name, value in at.items())
    names = "".join(f'<span class="name" style="left:{value:.1f}%">{name}</span>' for name, value in named.items())
    return (
        f"<style>{_LINE_CSS}</style>"
        f'<div class="from-to"><div class="track"></div>'
        f'<div class="gap" style="left:{left:.1f}%;width:{right - left:.1f}%;background:var(--{colour})"></div>'
        f'{dots}{names}<span class="end" style="left:-10px">${low:,.0f}</span>'
        f'<span class="end" style="right:-10px">{escape(high_said)}</span></div>'
    )


def comparison(
    rows: Sequence[tuple[str, Sequence[Stand]]], names: Sequence[tuple[str, int]], title: str, region: str
) -> str:
    """A table of features: where houses stand between the lowest and the highest, and their values.

    Parameters
    ----------
    rows : sequence of (feature, a `Stand` a house)
    names : sequence of (name, sign)
        Of the houses: 0 for the one that is compared, 1 and -1 for what helped and what hurt it.
    title, region : str
    """
    kinds = ["minus" if sign < 0 else "plus" if sign else "own" for _, sign in names]
    heads = "".join(
        f'<th scope="col" class="{kind}">{escape(name)}</th>' for kind, (name, _) in zip(kinds, names, strict=True)
    )
    body = []
    for feature, stands in rows:
        pairs = list(zip(kinds, stands, strict=True))
        above = sorted(pairs, key=lambda pair: pair[0] == "own")  # the ring of the house itself on top
        marks = "".join(
            f'<i class="{kind}" style="left:{100 * stand.share:.1f}%">{_SIGNS[kind]}</i>' for kind, stand in above
        )
        cells = "".join(f'<td class="{kind}">{escape(stand.said)}</td>' for kind, stand in pairs)
        body.append(
            f'<tr><th scope="row">{escape(feature)}</th>'
            f'<td class="scale" aria-hidden="true"><div class="track">{marks}</div></td>{cells}</tr>'
        )
    return (
        f"<style>{_COMPARE_CSS}</style>"
        f'<table class="compare"><thead><tr><th scope="col">{escape(title)}</th>'
        f'<td class="scale" aria-hidden="true"><span><b style="font-weight:400">lowest</b>'
        f'<b style="font-weight:400">highest in {escape(region)}</b></span></td>{heads}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>"
    )
