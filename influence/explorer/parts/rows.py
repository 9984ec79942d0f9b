"""A list to pick from: a sign, columns, a bar; only a click, Enter or Space picks, never the focus or sorting."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import streamlit as st

from influence.explorer.parts.heading import HEADING_CSS, HEADING_JS, Heading
from influence.explorer.parts.picking import PICKING_JS, clicked, triggered

_CSS = """
.part { container-type: inline-size; }
.table { display: grid; font: 14px/1.3 var(--st-font); color: var(--st-text-color); column-gap: 12px;
  font-variant-numeric: tabular-nums; overflow: auto; max-height: var(--height); padding: 0 4px; margin: 0 -4px;
  grid-template-columns: var(--columns); scrollbar-width: thin; }
.titles, .rows { display: contents; }
.titles span, .titles button { all: unset; font-size: 13px; color: var(--muted); padding: 2px 0 4px; position: sticky;
  top: 0; background: var(--st-background-color); z-index: 1; }
.titles .right { text-align: right; }
.titles button { cursor: pointer; }
.titles button:hover { color: var(--st-text-color); }
.titles button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: -2px; border-radius: 4px; }
.row { display: grid; grid-template-columns: subgrid; grid-column: 1 / -1; align-items: center; min-height: 32px;
  border-bottom: 1px solid var(--line); cursor: pointer; outline: none; border-radius: 4px; }
.row:hover { background: color-mix(in srgb, var(--st-text-color) 5%, transparent); }
.row[aria-selected=true] { background: color-mix(in srgb, var(--st-text-color) 10%, transparent); }
.row:focus-visible { box-shadow: inset 0 0 0 2px var(--st-primary-color); }
.still .row { cursor: default; }
.right { text-align: right; }
.strong, .row[aria-selected=true] .cell { font-weight: 600; }
.is-muted { color: var(--muted); }
.bar { height: 7px; border-radius: 4px; min-width: 2px; background: var(--muted); }
.helped .bar { background: var(--helped-bar); }
.hurt .bar { background: var(--hurt-bar); }
.helped .is-score { color: var(--helped); font-weight: 600; }
.hurt .is-score { color: var(--hurt); font-weight: 600; }
@container (max-width: 400px) { .table { font-size: 13px; column-gap: 8px; } .wide { display: none; } }
"""

_JS = """
function makeRow(item, data) {
  const row = document.createElement('div');
  row.className = 'row' + (item.sign > 0 ? ' helped' : item.sign < 0 ? ' hurt' : '');
  row.dataset.id = item.id;
  row.setAttribute('role', 'option');
  row.setAttribute('aria-label', item.alt);
  if (data.signed) row.append(item.sign ? signDisc(item.sign) : document.createElement('span'));
  data.columns.forEach((column, place) => {
    const cell = document.createElement('span');
    cell.className = ['cell', column.align, `is-${column.kind}`, column.strong ? 'strong' : ''].join(' ');
    if (column.kind === 'bar') {
      const bar = document.createElement('div');
      bar.className = 'bar';
      bar.style.width = `${data.scale ? Math.min(100, 100 * Math.abs(item.cells[place]) / data.scale) : 0}%`;
      cell.append(bar);
    } else {
      cell.textContent = item.cells[place];
    }
    row.append(cell);
  });
  return row;
}
export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const table = parentElement.querySelector('.table');
  const titles = parentElement.querySelector('.titles');
  const root = parentElement.querySelector('.rows');
  drawHeading(parentElement.querySelector('.head'), data.heading, setTriggerValue);
  root.setAttribute('aria-label', data.label);
  const draw = () => {
    const order = [...data.items];
    const { by, down } = root.sorted ?? {};
    if (by !== undefined && data.items[0]?.sorts.length) {
      const sign = down ? -1 : 1;
      order.sort((a, b) => {
        const [x, y] = [a.sorts[by], b.sorts[by]];
        if (x === null || y === null) return (x === null) - (y === null);  // what is not known comes last
        return sign * (x < y ? -1 : x > y ? 1 : 0);
      });
    }
    root.replaceChildren(...order.map((item) => makeRow(item, data)));
  };
  const pickable = () => {
    const cells = [...root.children];
    if (data.pickable) makePickable(root, cells, component, () => 1);
  };
  if (root.dataset.signature !== data.signature) {
    root.dataset.signature = data.signature;
    table.classList.toggle('still', !data.pickable);
    const widths = data.columns.map((column) => column.kind === 'bar' ? 'minmax(40px, 1fr)' : column.width);
    table.style.setProperty('--columns', [...(data.signed ? ['20px'] : []), ...widths].join(' '));
    table.style.setProperty('--height', data.height ? `${data.height}px` : 'none');
    const names = data.columns.map((column, place) => {
      const title = document.createElement(data.sortable && column.kind !== 'bar' ? 'button' : 'span');
      title.className = column.align;
      title.textContent = column.title;
      if (title instanceof HTMLButtonElement) {
        title.type = 'button';
        title.title = `Sort by ${column.title}`;
        title.onclick = () => {
          const again = root.sorted?.by === place;
          root.sorted = { by: place, down: again ? !root.sorted.down : false };
          names.forEach((each) => each.removeAttribute('aria-sort'));
          title.setAttribute('aria-sort', root.sorted.down ? 'descending' : 'ascending');
          draw();
          pickable();
        };
      }
      return title;
    });
    if (!data.sortable) titles.setAttribute('aria-hidden', 'true');
    titles.replaceChildren(...(data.signed ? [document.createElement('span')] : []), ...names);
    draw();
  }
  pickable();
  const chosen = root.querySelector('[aria-selected=true]');
  if (data.height && chosen && root.shownId !== data.selected) {
    const top = chosen.offsetTop - table.offsetTop;
    if (top < table.scrollTop || top > table.scrollTop + table.clientHeight - 40) table.scrollTop = top - 80;
    root.shownId = data.selected;
  }
  return () => {};
}
"""

_component = st.components.v2.component(
    "influence.rows",
    html='<div class="part"><div class="head"></div><div class="table"><div class="titles"></div>'
    '<div class="rows" role="listbox"></div></div></div>',
    css=HEADING_CSS + _CSS,
    js=HEADING_JS + PICKING_JS + _JS,
)


@dataclass(frozen=True)
class Column:
    """A column of a list.

    Parameters
    ----------
    title : str
    kind : "text", "score", "muted" or "bar"
        A score has the colour of its row's sign. A bar's cells are numbers: their size is its length.
    align : "left" or "right"
    strong : bool
        Whether its text is bold.
    width : str
        As CSS grids write it; by default no narrower and no wider than its text.
    """

    title: str
    kind: Literal["text", "score", "muted", "bar"] = "text"
    align: Literal["left", "right"] = "left"
    strong: bool = False
    width: str = "max-content"


@dataclass(frozen=True)
class Row:
    """A line of a list.

    Parameters
    ----------
    id : int
        What a pick names.
    cells : tuple of str or float
        One a column, as it is shown.
    alt : str
        All of it in words.
    sign : int
        1 helped, -1 hurt, 0 neither.
    sorts : tuple of float, str or None
        One a column, by which it is sorted; empty where the list is not.
    """

    id: int
    cells: tuple[str | float, ...]
    alt: str
    sign: int = 0
    sorts: tuple[float | str | None, ...] = ()


def rows(
    items: Sequence[Row],
    columns: Sequence[Column],
    *,
    key: str,
    label: str,
    on_pick: Callable[[int], None] | None = None,
    heading: Heading | None = None,
    on_more: Callable[[], None] | None = None,
    selected: int | None = None,
    scale: float | None = None,
    height: int | None = None,
) -> None:
    """Show a list; ``on_pick`` is called with the id of the row that is picked, before the page runs again.

    Parameters
    ----------
    items : sequence of Row
    columns : sequence of Column
    key, label : str
        As in `tiles`.
    on_pick : callable or None
        None is a list that can't be picked from.
    heading, on_more
        As in `tiles`.
    selected : int or None
        The id of the row that is marked.
    scale : float or None
        The value whose bar is full, the same for both signs; None is the greatest there is.
    height : int or None
        In pixels, beyond which it scrolls under its titles.
    """
    bars = [place for place, column in enumerate(columns) if column.kind == "bar"]
    largest = scale or max((abs(float(item.cells[place])) for item in items for place in bars), default=0.0)
    drawn = [asdict(item) for item in items]
    shown = (drawn, [asdict(column) for column in columns], largest, height, on_pick is None)
    _component(
        key=key,
        data={
            "items": drawn,
            "columns": [asdict(column) for column in columns],
            "signed": any(item.sign for item in items),
            "sortable": any(item.sorts for item in items),
            "pickable": on_pick is not None,
            "heading": None if heading is None else asdict(heading),
            "selected": selected,
            "label": label,
            "scale": largest,
            "height": height,
            "signature": f"{zlib.crc32(repr(shown).encode()):08x}",
        },
        on_clicked_change=clicked(key, on_pick or (lambda _: None)),
        on_more_change=triggered(key, "more", lambda _: on_more() if on_more else None),
    )
