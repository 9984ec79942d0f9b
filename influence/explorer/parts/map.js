// What can be done with a map: move, zoom, point, pick, and draw around a group. See map_drawing.js.

const REACH = 9;  // pixels from a dot that still mean it

class Chart extends Drawing {
  constructor(root) {
    super(root);
    this.tip = root.querySelector('.tip');
    this.pointers = new Map();
    this.listen();
  }

  // What lies below the pointer: a mark before a dot, the nearest of those in reach.
  found([left, top]) {
    for (const mark of this.marks) {
      if (mark.spot && Math.hypot(mark.spot[0] - left, mark.spot[1] - top) <= mark.size + 1) return { mark };
    }
    let [best, least] = [-1, REACH];
    for (let row = 0; row < (this.dots?.id.length ?? 0); row += 1) {
      const [x, y] = this.point([this.dots.x[row], this.dots.y[row]]);
      const distance = Math.abs(x - left) < REACH ? Math.hypot(x - left, y - top) : REACH;
      if (distance < least) [best, least] = [row, distance];
    }
    return best < 0 ? null : { row: best };
  }

  tell([left, top], found) {
    const { tip, data, dots } = this;
    tip.hidden = !found;
    this.canvas.style.cursor = this.isDrawing() ? 'crosshair' : found ? 'pointer' : 'grab';
    if (!found) return;
    const lines = found.mark ? found.mark.said : [`${data.noun} ${dots.id[found.row]}`];
    if (!found.mark) {
      for (const { name, column, unit, is_signed: isSigned, cap, over, words } of data.told) {
        const value = dots[column][found.row];
        if (words.length) {
          lines.push(`${name} ${words[value]}`.trim());
          continue;
        }
        const written = unit + Math.abs(value).toLocaleString('en-US', { maximumSignificantDigits: 7 });
        const sign = value < 0 ? '−' : isSigned ? '+' : '';
        lines.push(`${name} ${cap && value > cap ? over : sign + written}`);
      }
      if (dots.shared?.[found.row] > 1) lines.push(`one of ${dots.shared[found.row]} at this spot, drawn side by side`);
    }
    tip.replaceChildren(...lines.map((text) => Object.assign(document.createElement('div'), { textContent: text })));
    tip.style.left = `${Math.min(left + 14, this.width - tip.offsetWidth - 4)}px`;
    tip.style.top = `${top + 18 + tip.offsetHeight > this.height ? top - tip.offsetHeight - 10 : top + 18}px`;
  }

  isDrawing() {
    return this.root.querySelector('[data-do=draw]').getAttribute('aria-pressed') === 'true';
  }

  setDrawing(on) {
    this.root.querySelector('[data-do=draw]').setAttribute('aria-pressed', String(on));
    this.canvas.style.touchAction = on ? 'none' : '';
    this.canvas.style.cursor = on ? 'crosshair' : 'grab';
    this.lasso = null;
    this.draw();
  }

  listen() {
    const { canvas, root } = this;
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    canvas.onpointerdown = (event) => {
      if (event.button) return;
      canvas.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, at(event));
      this.began = { at: at(event), moved: 0, box: event.shiftKey };
      if ((event.shiftKey && this.data.draws) || this.isDrawing()) this.lasso = [at(event)];
    };
    canvas.onpointermove = (event) => {
      const now = at(event), last = this.pointers.get(event.pointerId);
      if (!last) {
        if (event.pointerType !== 'touch') this.tell(now, this.found(now));
        return;
      }
      this.began.moved = Math.max(this.began.moved, Math.hypot(now[0] - this.began.at[0], now[1] - this.began.at[1]));
      if (this.began.moved > 4) this.tip.hidden = true;
      if (this.lasso) {
        const [from, to] = [this.began.at, now];
        this.lasso = this.began.box ? [from, [to[0], from[1]], to, [from[0], to[1]]] : [...this.lasso, now];
        this.draw();
      } else if (this.pointers.size === 2) {
        const [other] = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, spot]) => spot);
        const length = (one) => Math.max(8, Math.hypot(one[0] - other[0], one[1] - other[1]));
        this.move((now[0] - last[0]) / 2, (now[1] - last[1]) / 2);
        this.zoom(length(now) / length(last), [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
      } else if (event.pointerType !== 'touch' && this.began.moved > 4) {
        this.move(now[0] - last[0], now[1] - last[1]);
      }
      this.pointers.set(event.pointerId, now);
    };
    canvas.onpointerup = (event) => {
      if (!this.pointers.delete(event.pointerId)) return;
      if (this.lasso && this.began.moved > 4) this.sendArea();
      else if (!this.lasso && this.began.moved <= 4) this.pick(this.found(at(event)));
      this.setDrawing(this.isDrawing() && this.began.moved <= 4);
    };
    canvas.onpointercancel = (event) => this.pointers.delete(event.pointerId);
    canvas.onpointerleave = () => { this.tip.hidden = true; };
    canvas.addEventListener('wheel', (event) => {
      if (!event.ctrlKey && !event.metaKey && !this.hasFocus()) return;
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 300), at(event));
    }, { passive: false });
    canvas.onkeydown = (event) => {
      const step = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
      if (step) this.move(...step);
      else if (event.key === '+' || event.key === '=') this.zoom(1.5);
      else if (event.key === '-') this.zoom(1 / 1.5);
      else if (event.key === 'Escape') this.setDrawing(false);
      else return;
      event.preventDefault();
    };
    root.querySelector('.tools').onclick = (event) => {
      const what = event.target.closest('button')?.dataset.do;
      if (what === 'in') this.zoom(1.6);
      if (what === 'out') this.zoom(1 / 1.6);
      if (what === 'draw') this.setDrawing(!this.isDrawing());
      if (what === 'fit') {
        this.fit(this.data.bounds);
        this.draw();
      }
    };
  }

  hasFocus() {
    return this.root.getRootNode().activeElement === this.canvas;
  }

  pick(found) {
    if (found) this.send('picked', found.mark ? { mark: found.mark.id } : { dot: this.dots.id[found.row] });
  }

  sendArea() {
    const corners = [];
    for (const spot of this.lasso) {
      const last = corners.at(-1);
      if (!last || Math.hypot(spot[0] - last[0], spot[1] - last[1]) > 7) corners.push(spot);
    }
    const every = Math.ceil(corners.length / 40);
    const kept = corners.filter((_, row) => row % every === 0).map((spot) => degrees(this.under(spot)));
    if (kept.length > 2) this.send('area', kept.map((at) => at.map((angle) => Number(angle.toFixed(3)))));
  }
}

export default function (component) {
  const root = component.parentElement.querySelector('.map');
  root.chart ??= new Chart(root);
  root.chart.send = component.setTriggerValue;
  root.chart.show(component.data);
  return () => {};
}
