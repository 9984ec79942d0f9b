"""A tour of three steps above the first page; the browser remembers that it was closed."""

import streamlit as st

STEPS = (
    ("Pick a prediction", "On Images or Houses, click a prediction. Its explanation appears beside it."),
    (
        "Read what helped and hurt",
        "A blue plus made the answer more likely, an orange minus less likely. Click one to see what else it did.",
    ),
    (
        "Ask how far to trust it",
        "Quality shows what happened when such examples were really taken out, and what chance alone would do.",
    ),
)

_HTML = '<section class="tour" aria-label="A tour in three steps" hidden></section>'

_CSS = """
.tour { display: flex; align-items: center; gap: 16px; flex-wrap: wrap; padding: 10px 16px; border-radius: 12px;
  background: var(--soft); border: 1px solid var(--line); font: 15px/1.4 var(--st-font); color: var(--st-text-color); }
.tour[hidden] { display: none; }
.step { color: var(--muted); font-size: 13px; white-space: nowrap; }
.said { flex: 1 1 300px; }
.said b { font-weight: 650; margin-right: 6px; }
button { font: inherit; font-size: 14px; padding: 4px 12px; border-radius: 8px; cursor: pointer;
  border: 1px solid var(--st-border-color); background: var(--st-background-color); color: var(--st-text-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
"""

_JS = """
const KEY = 'influence-explorer-tour';
const remember = () => { try { localStorage.setItem(KEY, 'closed'); } catch { /* then it comes again */ } };
const isClosed = () => { try { return localStorage.getItem(KEY) === 'closed'; } catch { return false; } };
export default function ({ data, parentElement }) {
  const tour = parentElement.querySelector('.tour');
  let place = Number(tour.dataset.place ?? 0);
  const button = (text, then) => {
    const made = document.createElement('button');
    made.type = 'button';
    made.textContent = text;
    made.onclick = then;
    return made;
  };
  const close = () => { remember(); tour.hidden = true; };
  const go = (to) => { tour.dataset.place = place = to; draw(); tour.querySelector('button:last-of-type').focus(); };
  const draw = () => {
    const [title, text] = data.steps[place];
    const step = document.createElement('span');
    step.className = 'step';
    step.textContent = `Tour, ${place + 1} of ${data.steps.length}`;
    const said = document.createElement('span');
    said.className = 'said';
    said.setAttribute('aria-live', 'polite');
    const bold = document.createElement('b');
    bold.textContent = title;
    said.append(bold, text);
    const isLast = place === data.steps.length - 1;
    const parts = [step, said];
    if (place) parts.push(button('Back', () => go(place - 1)));
    parts.push(button('Close the tour', close));
    if (!isLast) parts.push(button('Next', () => go(place + 1)));
    tour.replaceChildren(...parts);
  };
  if (!tour.children.length) draw();
  tour.hidden = isClosed();
}
"""

_component = st.components.v2.component("influence.tour", html=_HTML, css=_CSS, js=_JS)


def show() -> None:
    """Draw the tour, unless it was closed in this browser."""
    _component(key="tour", data={"steps": STEPS, "label": "tour"})
