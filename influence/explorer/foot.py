"""The foot of the sidebar: the glossary, which any term on a page opens, and a link to what is shown."""

import streamlit as st

from influence.explorer import glossary

_HTML = """
<button type="button" class="words"><span class="icon">help</span>What the words mean</button>
<button type="button" class="copy"><span class="icon">link</span><span class="said" aria-live="polite"></span></button>
"""

_CSS = """
button { all: unset; display: flex; align-items: center; gap: 6px; cursor: pointer; padding: 4px 0; border-radius: 4px;
  font: 400 13px/1.4 var(--st-font); color: var(--muted, var(--st-text-color)); }
button:hover { color: var(--st-text-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.icon { font: 400 17px/1 "Material Symbols Rounded"; }
"""

# The glossary hangs on the document's body: a folded sidebar would hide it, and terms stand outside of this component.
_DIALOG_CSS = """
dialog.words { border: 1px solid var(--line); border-radius: 12px; background: var(--page); color: var(--ink);
  max-width: min(560px, calc(100vw - 32px)); max-height: 80vh; padding: 20px 24px; font: 15px/1.45 var(--words-font); }
dialog.words::backdrop { background: rgba(0, 0, 0, .35); }
dialog.words h2 { font-size: 17px; margin: 0 0 12px; }
dialog.words dt { font-weight: 600; margin-top: 10px; }
dialog.words dd { margin: 2px 0 0; }
dialog.words .asked { outline: 2px solid var(--ink); outline-offset: 6px; border-radius: 4px; }
dialog.words button { font: inherit; padding: 6px 14px; margin-top: 16px; border-radius: 8px; cursor: pointer;
  border: 1px solid var(--line); background: var(--soft); color: var(--ink); }
"""

_JS = """
const make = (words, font, css) => {
  document.querySelector('dialog.words')?.remove();
  const dialog = document.createElement('dialog');
  dialog.className = 'words';
  dialog.setAttribute('aria-label', 'What the words mean');
  dialog.style.setProperty('--words-font', font);
  const style = document.createElement('style');
  style.textContent = css;
  const title = document.createElement('h2');
  title.textContent = 'What the words mean';
  const list = document.createElement('dl');
  for (const [anchor, word, meaning] of words) {
    const group = document.createElement('div');
    group.dataset.anchor = anchor;
    const term = document.createElement('dt');
    term.textContent = word;
    const description = document.createElement('dd');
    description.textContent = meaning;
    group.append(term, description);
    list.append(group);
  }
  const close = document.createElement('button');
  close.type = 'button';
  close.textContent = 'Close';
  close.onclick = () => dialog.close();
  dialog.onclick = (event) => { if (event.target === dialog) dialog.close(); };
  dialog.append(style, title, list, close);
  document.body.append(dialog);
  return dialog;
};
export default function ({ data, parentElement }) {
  const font = getComputedStyle(parentElement.host ?? parentElement).fontFamily;
  const open = (anchor) => {
    const dialog = make(data.words, font, data.css);
    dialog.showModal();
    const asked = anchor && dialog.querySelector(`[data-anchor="${anchor}"]`);
    if (asked) {
      asked.classList.add('asked');
      asked.scrollIntoView({ block: 'center' });
    }
  };
  const onClick = (event) => {
    const link = event.composedPath().find((each) => each instanceof HTMLAnchorElement);
    const anchor = link?.getAttribute('href')?.match(/#(word-[a-z-]+)$/)?.[1];
    if (!anchor) return;
    event.preventDefault();
    event.stopPropagation();
    open(anchor);
  };
  const copy = parentElement.querySelector('.copy');
  const said = copy.querySelector('.said');
  const rest = 'Copy link to this view';
  if (!said.textContent) said.textContent = rest;
  copy.onclick = async () => {
    try {
      await navigator.clipboard.writeText(window.location.href);
      said.textContent = 'Link copied';
    } catch {
      window.prompt('Copy this link:', window.location.href);
    }
    setTimeout(() => { said.textContent = rest; }, 2000);
  };
  parentElement.querySelector('.words').onclick = () => open('');
  document.addEventListener('click', onClick, true);
  return () => document.removeEventListener('click', onClick, true);
}
"""

_component = st.components.v2.component("influence.foot", html=_HTML, css=_CSS, js=_JS)


def show() -> None:
    """Draw the foot."""
    words = [(glossary.anchor(word), word, meaning) for word, meaning in glossary.WORDS.items()]
    _component(key="foot of the sidebar", data={"words": words, "css": _DIALOG_CSS, "label": "foot"})
