"""The line above tiles and lists, such as "+ Helped  made “ship” more likely  Show all 50", drawn inside of them."""

from dataclasses import dataclass

HEADING_CSS = """
.head { display: flex; align-items: center; gap: 8px; margin: 0 0 8px; font: 15px/20px var(--st-font);
  color: var(--st-text-color); flex-wrap: wrap; }
.head b { font-weight: 650; }
.head .text { color: var(--st-text-color); }
.head .more { all: unset; margin-left: auto; cursor: pointer; font-size: 13px; color: var(--muted); border-radius: 4px;
  white-space: nowrap; padding: 2px 0; }
.head .more:hover { color: var(--st-text-color); }
.head .more:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.sign { display: inline-grid; place-items: center; width: 20px; height: 20px; border-radius: 50%; flex: none;
  color: var(--on-disc); background: var(--muted); }
.sign svg { width: 12px; height: 12px; stroke: currentColor; stroke-width: 2.2; stroke-linecap: round; }
.helped > .sign, .sign.helped { background: var(--helped-disc); }
.hurt > .sign, .sign.hurt { background: var(--hurt-disc); }
"""

HEADING_JS = """
function signDisc(sign) {
  const disc = document.createElement('span');
  disc.className = 'sign ' + (sign > 0 ? 'helped' : 'hurt');
  disc.setAttribute('aria-hidden', 'true');
  disc.innerHTML = `<svg viewBox="0 0 12 12"><path d="M1.5 6h9${sign > 0 ? 'M6 1.5v9' : ''}"/></svg>`;
  return disc;
}
function drawHeading(place, head, setTriggerValue) {
  const said = JSON.stringify(head);
  if (place.said !== said) {
    place.said = said;
    place.replaceChildren();
    place.hidden = !head;
    if (head) {
      if (head.sign) place.append(signDisc(head.sign));
      const title = document.createElement('b');
      title.textContent = head.title;
      title.setAttribute('role', 'heading');
      title.setAttribute('aria-level', '2');
      const text = document.createElement('span');
      text.className = 'text';
      text.textContent = head.text;
      place.append(title, text);
      if (head.more) {
        const more = document.createElement('button');
        more.type = 'button';
        more.className = 'more';
        more.textContent = head.more + ' ›';
        place.append(more);
      }
    }
  }
  const more = place.querySelector('.more');
  if (more) more.onclick = () => setTriggerValue('more', true);
}
"""


@dataclass(frozen=True)
class Heading:
    """A line above tiles or a list.

    Parameters
    ----------
    title : str
        "Helped", "Hurt", "Culprits".
    text : str
        What follows it: "made “ship” more likely".
    sign : int
        1 and -1 draw the disc of what helped and of what hurt; 0 draws none.
    more : str
        What a button at the right end says, such as "Show all 50"; empty is no button.
    """

    title: str
    text: str = ""
    sign: int = 0
    more: str = ""
