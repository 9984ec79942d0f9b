"""A grid of images that can be picked by mouse and keyboard: a listbox, one tab stop, arrows, Home, End, Enter."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import streamlit as st

from influence.explorer.parts.picking import PICKING_JS, clicked

_HTML = '<div class="grid" role="listbox"></div>'

_CSS = """
.grid {
  display: grid; gap: 6px; padding: 3px;
  grid-template-columns: repeat(auto-fill, minmax(var(--cell), 1fr));
  font-family: var(--st-font); color: var(--st-text-color);
}
.cell {
  all: unset; box-sizing: border-box; cursor: pointer; min-width: 0; padding: 4px; border-radius: 8px;
  display: flex; flex-direction: column; align-items: center; gap: 2px;
  border: 1px solid var(--st-border-color); background: var(--st-background-color);
}
.cell:hover { border-color: var(--st-primary-color); }
.cell:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
.cell[aria-selected=true] { box-shadow: 0 0 0 3px var(--st-primary-color); }
.picture { width: 100%; aspect-ratio: 1; border-radius: 4px; image-rendering: pixelated; display: block; }
.pair { width: 100%; display: grid; grid-template-columns: 1fr 1fr; gap: 2px; }
.none {
  width: 100%; aspect-ratio: 1; border-radius: 4px; display: flex; align-items: center; justify-content: center;
  background: var(--st-secondary-background-color); font-size: 12px; text-align: center; overflow: hidden;
}
.line { font-size: 11px; line-height: 1.3; white-space: nowrap; overflow: hidden; text-overflow: ellipsis;
  max-width: 100%; font-variant-numeric: tabular-nums; }
.line.strong { font-weight: 600; font-size: 12px; }
.cell.positive .strong { color: var(--st-blue-text-color, var(--st-text-color)); }
.cell.negative .strong, .cell.wrong .strong { color: var(--st-orange-text-color, var(--st-text-color)); }
"""

_JS = """
export default function (component) {
  const { data, parentElement } = component;
  const root = parentElement.querySelector('.grid');
  root.style.setProperty('--cell', data.size + 'px');
  root.setAttribute('aria-label', data.label);
  if (root.dataset.signature !== data.signature) {
    root.replaceChildren(...data.items.map((item) => {
      const cell = document.createElement('button');
      cell.type = 'button';
      cell.className = 'cell ' + item.mark;
      cell.dataset.id = item.id;
      cell.setAttribute('role', 'option');
      cell.setAttribute('aria-label', item.alt);
      cell.title = item.alt;
      const pixels = (src) => {
        const image = document.createElement('img');
        image.className = 'picture';
        image.alt = '';
        image.src = src;
        return image;
      };
      let picture;
      if (item.src && item.beside) {
        picture = document.createElement('span');
        picture.className = 'pair';
        picture.append(pixels(item.src), pixels(item.beside));
      } else if (item.src) {
        picture = pixels(item.src);
      } else {
        picture = document.createElement('span');
        picture.className = 'none';
        picture.textContent = item.stand_in;
      }
      const lines = item.lines.map((text, place) => {
        const line = document.createElement('span');
        line.className = place ? 'line' : 'line strong';
        line.textContent = text;
        return line;
      });
      cell.append(picture, ...lines);
      return cell;
    }));
    root.dataset.signature = data.signature;
  }
  const columns = () => getComputedStyle(root).gridTemplateColumns.split(' ').length;
  makePickable(root, [...root.children], component, columns);
  return () => {};
}
"""

_component = st.components.v2.component("influence.image_grid", html=_HTML, css=_CSS, js=PICKING_JS + _JS)


@dataclass(frozen=True)
class Cell:
    """One image of a grid.

    Parameters
    ----------
    id : int
        The image's own index, which a click names.
    src : str or None
        Its address; None shows ``stand_in`` instead.
    lines : tuple of str
        What stands below; the first is emphasised.
    alt : str
        All of it in words.
    mark : "", "positive", "negative" or "wrong"
    stand_in : str
    beside : str or None
        The address of another image to show beside it.
    """

    id: int
    src: str | None
    lines: tuple[str, ...]
    alt: str
    mark: str = ""
    stand_in: str = ""
    beside: str | None = None


def image_grid(
    cells: Sequence[Cell], *, label: str, key: str, on_pick: Callable[[int], None], selected: int | None = None,
    size: int = 64,
) -> None:  # fmt: skip
    """Show images; ``on_pick`` is called with the id of the one that is clicked, before the page runs again."""
    items = [asdict(cell) for cell in cells]
    # A rebuilt grid loses the keyboard's focus, so it is rebuilt only when what it shows changes.
    signature = f"{zlib.crc32(repr(items).encode()):08x}"

    _component(
        key=key,
        data={"items": items, "selected": selected, "label": label, "size": size, "signature": signature},
        on_clicked_change=clicked(key, on_pick),
    )
