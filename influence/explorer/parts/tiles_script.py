"""The style sheet and the script of `tiles`, which run in the browser."""

TILES_CSS = """
.part { container-type: inline-size; }
.tiles { display: grid; gap: 12px; padding: 4px; margin: -4px; font-family: var(--st-font);
  color: var(--st-text-color); grid-template-columns: repeat(auto-fill, minmax(min(var(--size), 100%), 1fr)); }
.tiles.fixed { grid-template-columns: repeat(var(--columns), minmax(0, 1fr)); }
.tile { box-sizing: border-box; cursor: pointer; min-width: 0; position: relative; border-radius: 8px; outline: none; }
.frame { position: relative; display: flex; gap: 2px; border-radius: 8px; overflow: clip; }
.frame canvas, .none { width: 100%; min-width: 0; aspect-ratio: 1; display: block; background: var(--soft); }
.none { display: flex; align-items: center; justify-content: center; text-align: center; font-size: 13px;
  line-height: 1.2; overflow-wrap: anywhere; color: var(--muted); padding: 4px; box-sizing: border-box; }
.tile:hover .frame { box-shadow: 0 0 0 2px var(--muted); }
.tile[aria-selected=true] .frame {
  box-shadow: 0 0 0 2px var(--st-background-color), 0 0 0 5px var(--st-primary-color); }
.tile:focus-visible .frame { box-shadow: 0 0 0 2px var(--st-background-color), 0 0 0 4px var(--st-primary-color); }
.tile:focus-visible { outline: 2px dashed var(--st-primary-color); outline-offset: 5px; }
.bar { height: 5px; border-radius: 3px; background: var(--track); margin: 6px 0 3px; overflow: hidden; }
.bar i { display: block; height: 100%; border-radius: 3px; min-width: 2px; }
.helped .bar i { background: var(--helped-bar); }
.hurt .bar i { background: var(--hurt-bar); }
.lines { font-size: 13px; line-height: 17px; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.lines.plain { padding-top: 5px; }
.line { display: flex; flex-wrap: wrap; justify-content: space-between; column-gap: 6px; color: var(--muted); }
.plain .line { display: block; }
.plain .line:first-child, .line b { color: var(--st-text-color); }
.line b { font-weight: 600; }
.tile[aria-selected=true] .line { font-weight: 600; }
.helped .number { color: var(--helped); font-weight: 600; }
.hurt .number { color: var(--hurt); font-weight: 600; }
.tick { position: absolute; left: 8px; top: 8px; width: 20px; height: 20px; box-sizing: border-box; border-radius: 6px;
  background: var(--st-background-color); border: 1.5px solid var(--muted); display: grid; place-items: center; }
.tick::before { content: ''; position: absolute; inset: -8px; }  /* easier to hit */
.tile[aria-checked=true] .tick { background: var(--st-primary-color); border-color: var(--st-background-color); }
.tile[aria-checked=true] .tick::after { content: ''; width: 9px; height: 5px; margin-top: -3px; rotate: -45deg;
  border: solid var(--st-background-color); border-width: 0 0 2px 2px; }
.peek { margin: 0; padding: 8px; width: 208px; border: 1px solid var(--line); border-radius: 12px; pointer-events: none;
  background: var(--st-background-color); color: var(--st-text-color); box-shadow: 0 6px 24px rgba(0, 0, 0, .22);
  font: 13px/18px var(--st-font); inset: auto; }
.peek canvas { width: 192px; height: 192px; border-radius: 8px; display: block; margin-bottom: 6px; }
.peek div:first-of-type { font-weight: 600; }
@container (max-width: 400px) {
  .tiles.strip { grid-template-columns: none; grid-auto-flow: column; grid-auto-columns: var(--narrow);
    overflow-x: auto; scrollbar-width: thin; }
  .tiles.wrap { gap: 8px; }
  .tiles.wrap.fixed { grid-template-columns: repeat(auto-fill, minmax(min(var(--size), 100%), 1fr)); }
}
"""

TILES_JS = """
const sheets = new Map();  // by address; a page shows few
function sheetOf(uri) {
  if (!sheets.has(uri)) {
    if (sheets.size > 40) sheets.clear();
    const image = new Image();
    image.src = uri;
    sheets.set(uri, image.decode().then(() => image));
  }
  return sheets.get(uri);
}
function paint(canvas, strip, place, pixels) {
  canvas.width = canvas.height = pixels;
  sheetOf(strip.uri).then((image) => {
    const { width, height, across } = strip;
    // Cut out 1:1 first: enlarged from the sheet itself, the neighbours' pixels bleed into the edges.
    const cut = Object.assign(document.createElement('canvas'), { width, height });
    const from = [(place % across) * width, Math.floor(place / across) * height];
    cut.getContext('2d').drawImage(image, ...from, width, height, 0, 0, width, height);
    const context = canvas.getContext('2d');
    context.imageSmoothingQuality = 'high';
    context.drawImage(cut, 0, 0, canvas.width, canvas.height);
  });
}
function marked(text) {
  return text.split('**').map((part, place) => {
    if (place % 2 === 0) return document.createTextNode(part);
    const bold = document.createElement('b');
    bold.textContent = part;
    return bold;
  });
}
function lineOf(...nodes) {
  const line = document.createElement('div');
  line.className = 'line';
  line.append(...nodes);
  return line;
}
function makeTile(item, data) {
  const tile = document.createElement('div');
  const sign = item.score === null ? '' : item.score >= 0 ? 'helped' : 'hurt';
  tile.className = 'tile ' + sign;
  tile.dataset.id = item.id;
  tile.setAttribute('role', 'option');
  tile.setAttribute('aria-label', item.alt);
  const frame = document.createElement('div');
  frame.className = 'frame';
  const pixels = Math.min(320, Math.round(data.size * 1.25 * window.devicePixelRatio));
  for (const place of item.pictures) {
    if (place === null) {
      const none = document.createElement('div');
      none.className = 'none';
      none.textContent = item.stand_in;
      frame.append(none);
    } else {
      const canvas = document.createElement('canvas');
      paint(canvas, data.strip, place, pixels);
      frame.append(canvas);
    }
  }
  tile.append(frame);
  if (data.ticked !== null) {
    const tick = document.createElement('div');
    tick.className = 'tick';
    tile.append(tick);
  }
  const lines = document.createElement('div');
  lines.className = sign ? 'lines' : 'lines plain';
  const texts = [...item.lines];
  if (sign) {
    const bar = document.createElement('div');
    bar.className = 'bar';
    const fill = document.createElement('i');
    fill.style.width = `${data.scale ? Math.min(100, 100 * Math.abs(item.score) / data.scale) : 0}%`;
    bar.append(fill);
    tile.append(bar);
    const number = document.createElement('span');
    number.className = 'number';
    number.textContent = item.number;
    const beside = document.createElement('span');
    beside.append(...marked(texts.shift() ?? ''));
    lines.append(lineOf(number, beside));
  }
  for (const text of texts) lines.append(lineOf(...marked(text)));
  tile.append(lines);
  return tile;
}
function enlarge(root, peek, data) {
  const items = new Map(data.items.map((item) => [String(item.id), item]));
  let timer = 0;
  const hide = () => {
    clearTimeout(timer);
    if (peek.matches(':popover-open')) peek.hidePopover();
  };
  const show = (tile) => {
    const item = items.get(tile.dataset.id);
    if (!item || !item.details.length) return;
    const canvases = item.pictures.filter((place) => place !== null).slice(0, 1).map((place) => {
      const canvas = document.createElement('canvas');
      paint(canvas, data.strip, place, Math.round(192 * window.devicePixelRatio));
      return canvas;
    });
    const lines = item.details.map((text) => {
      const line = document.createElement('div');
      line.append(...marked(text));
      return line;
    });
    peek.replaceChildren(...canvases, ...lines);
    if (!peek.matches(':popover-open')) peek.showPopover();
    const box = tile.getBoundingClientRect();
    const [width, height] = [peek.offsetWidth, peek.offsetHeight];
    const right = box.right + 8 + width <= window.innerWidth;
    const left = right ? box.right + 8 : Math.max(8, box.left - 8 - width);
    const top = Math.max(8, Math.min(box.top, window.innerHeight - height - 8));
    Object.assign(peek.style, { left: `${left}px`, top: `${top}px` });
  };
  root.onpointerover = (event) => {
    const tile = event.pointerType === 'mouse' && event.target.closest('.tile');
    clearTimeout(timer);
    if (tile) timer = setTimeout(() => show(tile), 350);
  };
  root.onpointerleave = hide;
  root.onpointerdown = hide;
  root.onfocusin = (event) => {
    const tile = event.target.closest('.tile');
    if (tile?.matches(':focus-visible')) show(tile);
  };
  root.onfocusout = hide;
  window.addEventListener('scroll', hide, { capture: true, passive: true });
  const onKey = (event) => { if (event.key === 'Escape') hide(); };
  window.addEventListener('keydown', onKey);
  return () => {
    hide();
    window.removeEventListener('scroll', hide, { capture: true });
    window.removeEventListener('keydown', onKey);
  };
}
export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector('.tiles');
  drawHeading(parentElement.querySelector('.head'), data.heading, setTriggerValue);
  root.setAttribute('aria-label', data.label);
  if (root.dataset.signature !== data.signature) {
    root.dataset.signature = data.signature;
    root.className = `tiles ${data.narrow}${data.columns ? ' fixed' : ''}`;
    root.style.setProperty('--size', `${data.size}px`);
    root.style.setProperty('--narrow', `${Math.min(data.size, 100)}px`);
    root.style.setProperty('--columns', data.columns ?? 1);
    root.replaceChildren(...data.items.map((item) => makeTile(item, data)));
  }
  const cells = [...root.children];
  if (data.ticked !== null) {
    const ticked = new Set(data.ticked);
    cells.forEach((cell) => cell.setAttribute('aria-checked', String(ticked.has(Number(cell.dataset.id)))));
  }
  const columns = () => getComputedStyle(root).gridTemplateColumns.split(' ').length;
  makePickable(root, cells, component, columns);
  return enlarge(root, parentElement.querySelector('.peek'), data);
}
"""
