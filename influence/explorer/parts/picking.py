"""What components that can be picked from share: one tab stop, arrows, Home and End move the focus, Enter picks."""

from collections.abc import Callable
from typing import Any

import streamlit as st

# For the head of a component's script. ``cells`` are a listbox's options, each named by its data-id. Where a cell has a
# check box (class "tick"), Space ticks it.
PICKING_JS = """
function makePickable(root, cells, { data, parentElement, setTriggerValue }, columns) {
  const select = (place) => cells.forEach((cell, other) => cell.setAttribute('aria-selected', String(other === place)));
  const selected = cells.findIndex((cell) => Number(cell.dataset.id) === data.selected);
  const focused = cells.indexOf(parentElement.activeElement);
  const stop = focused >= 0 ? focused : Math.max(selected, 0);
  select(selected);
  cells.forEach((cell, place) => cell.setAttribute('tabindex', place === stop ? 0 : -1));
  const pick = (cell) => {
    if (!data.unselectable) select(cells.indexOf(cell));  // at once: the server's answer comes later
    setTriggerValue('clicked', Number(cell.dataset.id));
  };
  const tick = (cell) => setTriggerValue('ticked', Number(cell.dataset.id));
  root.onclick = (event) => {
    const cell = event.target.closest('[role=option]');
    if (!cell) return;
    if (event.target.closest('.tick')) tick(cell);
    else pick(cell);
  };
  root.onkeydown = (event) => {
    const place = cells.indexOf(parentElement.activeElement);
    if (place < 0) return;
    const isButton = cells[place] instanceof HTMLButtonElement;  // of which the browser makes clicks
    if (!isButton && (event.key === 'Enter' || event.key === ' ')) {
      event.preventDefault();
      if (event.key === ' ' && cells[place].querySelector('.tick')) tick(cells[place]);
      else pick(cells[place]);
      return;
    }
    const across = columns();
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across }[event.key];
    let next = null;
    if (step !== undefined) next = place + step;
    else if (event.key === 'Home') next = 0;
    else if (event.key === 'End') next = cells.length - 1;
    if (next === null) return;
    event.preventDefault();
    event.stopPropagation();
    if (next < 0 || next >= cells.length) {
      if (Math.abs(step) > 1) return;
      next = Math.min(cells.length - 1, Math.max(0, next));
    }
    cells.forEach((cell, other) => { cell.setAttribute('tabindex', other === next ? 0 : -1); });
    cells[next].focus();
  };
}
"""


def clicked(key: str, on_pick: Callable[[int], None]) -> Callable[[], None]:
    """A component's callback: it calls ``on_pick`` with the id of what was picked, before the page runs again."""
    return triggered(key, "clicked", lambda event: on_pick(int(event)))


def triggered(key: str, name: str, then: Callable[[Any], None]) -> Callable[[], None]:
    """A component's callback for any of its triggers: it calls ``then`` with what was sent."""

    def call() -> None:
        event = st.session_state[key][name]
        if event is not None:
            then(event)

    return call
