"""A confusion matrix whose cells are picked: one tab stop, arrows, Enter, Space."""

import zlib
from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st

from influence.explorer.parts.picking import PICKING_JS, clicked

_HTML = '<div class="scroll"><div class="matrix" role="listbox"></div></div>'

_CSS = """
.scroll { overflow-x: auto; scrollbar-width: thin; padding: 4px; margin: -4px; }
.matrix { display: grid; gap: 3px; font: 12px/1.2 var(--st-font); color: var(--st-text-color);
  font-variant-numeric: tabular-nums; grid-template-columns: max-content repeat(var(--n), minmax(26px, 1fr)); }
.top { writing-mode: vertical-rl; rotate: 180deg; justify-self: center; padding: 4px 0; max-height: 96px; }
.side { text-align: right; align-self: center; padding-right: 6px; }
.top, .side { color: var(--muted); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.on { color: var(--st-text-color); font-weight: 650; }
.corner { align-self: end; justify-self: end; color: var(--muted); padding: 0 6px 4px 0; text-align: right; }
.cell { height: 32px; display: grid; place-items: center; border-radius: 5px; cursor: pointer; outline: none;
  background: color-mix(in srgb, var(--st-text-color) calc(var(--share) * 62%), var(--soft)); }
.cell.right { color: var(--muted); background: var(--soft); border: 1px solid var(--line); box-sizing: border-box; }
.cell.deep { color: var(--st-background-color); }
.cell:hover { box-shadow: 0 0 0 2px var(--muted); }
.cell[aria-selected=true] { box-shadow: 0 0 0 2px var(--st-background-color), 0 0 0 4px var(--st-primary-color);
  font-weight: 650; }
.cell:focus-visible { outline: 2px dashed var(--st-primary-color); outline-offset: 4px; }
"""

_JS = """
export default function (component) {
  const { data, parentElement } = component;
  const root = parentElement.querySelector('.matrix');
  const n = data.classes.length;
  root.setAttribute('aria-label', data.label);
  if (root.dataset.signature !== data.signature) {
    root.dataset.signature = data.signature;
    root.style.setProperty('--n', n);
    const label = (text, kind) => {
      const span = document.createElement('span');
      span.className = kind;
      span.textContent = text;
      span.title = text;
      span.setAttribute('aria-hidden', 'true');
      return span;
    };
    const largest = Math.max(1, ...data.counts.flatMap((row, i) => row.filter((_, j) => i !== j)));
    root.replaceChildren(label('it is ↓ model says →', 'corner'), ...data.classes.map((name) => label(name, 'top')));
    data.counts.forEach((row, i) => {
      root.append(label(data.classes[i], 'side'));
      row.forEach((count, j) => {
        const cell = document.createElement('div');
        const share = count / largest;
        cell.className = 'cell' + (i === j ? ' right' : share > 0.75 ? ' deep' : '');
        cell.style.setProperty('--share', i === j ? 0 : share);
        cell.dataset.id = i * n + j;
        cell.setAttribute('role', 'option');
        const said = i === j ? 'called so' : `called ${data.classes[j]}`;
        cell.setAttribute('aria-label', `${data.classes[i]}, ${said}: ${count}`);
        cell.textContent = count;
        root.append(cell);
      });
    });
  }
  const cells = [...root.querySelectorAll('[role=option]')];
  makePickable(root, cells, component, () => n);
  const [row, column] = data.selected === null ? [-1, -1] : [Math.floor(data.selected / n), data.selected % n];
  root.querySelectorAll('.top').forEach((each, place) => each.classList.toggle('on', place === column));
  root.querySelectorAll('.side').forEach((each, place) => each.classList.toggle('on', place === row));
  return () => {};
}
"""

_component = st.components.v2.component("influence.matrix", html=_HTML, css=_CSS, js=PICKING_JS + _JS)


def matrix(
    counts: np.ndarray,
    classes: Sequence[str],
    *,
    key: str,
    label: str,
    on_pick: Callable[[int, int], None],
    selected: tuple[int, int] | None = None,
) -> None:
    """Show a confusion matrix.

    Parameters
    ----------
    counts : (n, n) int
        How many examples of each class (row) get each prediction (column).
    classes : sequence of str
        Their n names.
    key, label : str
        As in `tiles`.
    on_pick : callable
        Called with the row and the column of the cell that is picked, before the page runs again.
    selected : (int, int) or None
        The cell with a ring.
    """
    n = len(classes)
    rows = counts.tolist()
    _component(
        key=key,
        data={
            "counts": rows,
            "classes": list(classes),
            "label": label,
            "selected": None if selected is None else selected[0] * n + selected[1],
            "signature": f"{zlib.crc32(repr((rows, classes)).encode()):08x}",
        },
        on_clicked_change=clicked(key, lambda cell: on_pick(*divmod(cell, n))),
    )
