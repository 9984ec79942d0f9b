// A map on a plain canvas: outlines and dots by address, marks, lines and names in the message. It needs no WebGL, fades
// nothing when something is picked, and lets a group be drawn around. Places are Web Mercator: x and y from 0 to 1.

const FARTHEST = 26, LEAST_ZOOM = 1200, MOST_ZOOM = 900000;  // in pixels; zooms are pixels around the world
const files = new Map();

function fetched(address) {
  if (!files.has(address)) {
    files.set(address, fetch(address).then((answer) => (answer.ok ? answer.json() : Promise.reject(answer.status))));
    files.get(address).catch(() => files.delete(address));
  }
  return files.get(address);
}

const across = (longitude) => (longitude + 180) / 360;
const down = (latitude) =>
  0.5 - Math.log(Math.tan(Math.PI / 4 + (latitude * Math.PI) / 360)) / (2 * Math.PI);
const degrees = ([x, y]) =>
  [x * 360 - 180, (360 / Math.PI) * Math.atan(Math.exp((0.5 - y) * 2 * Math.PI)) - 90];
const ink = (name, of) => (name.startsWith('#') ? name : of(name));
const place = ([longitude, latitude]) => [across(longitude), down(latitude)];

function outlines(collection) {
  const paths = {};
  for (const { properties, geometry } of collection.features) {
    const path = (paths[properties.kind] ??= new Path2D());
    for (const ring of geometry.coordinates.flat()) {
      ring.map(place).forEach(([x, y], step) => (step ? path.lineTo(x, y) : path.moveTo(x, y)));
      path.closePath();
    }
  }
  return paths;
}

class Drawing {
  constructor(root) {
    this.root = root;
    this.canvas = root.querySelector('canvas');
    this.pen = this.canvas.getContext('2d');
    this.lasso = null;
    new ResizeObserver(() => this.resize()).observe(this.canvas);
  }

  show(data) {
    const before = this.data;
    this.data = data;
    this.canvas.setAttribute('aria-label', data.label);
    this.root.style.setProperty('--height', `${data.height}px`);
    this.root.querySelector('[data-do=draw]').hidden = !data.draws;
    this.explain(data);
    for (const [source, then] of [[data.outlines, 'land'], [data.dots, 'dots']]) {
      const wanted = typeof source === 'string' ? source : JSON.stringify(source);
      if (wanted === '') this[then] = {};
      if (this[then + 'Of'] === wanted || wanted === '') continue;
      [this[then + 'Of'], this[then]] = [wanted, null];  // what is not there yet is not painted as something else
      Promise.resolve(typeof source === 'string' ? fetched(source) : source)
        .then((found) => {
          if (this[then + 'Of'] !== wanted) return;
          this[then] = then === 'land' ? outlines(found) : this.placed(found);
          this.draw();
        })
        .catch(() => { this[then + 'Of'] = null; });
    }
    this.marks = data.marks.map((mark) => ({ ...mark, full: mark.size, at: place(mark.at) }));
    this.picked = data.picked.map((one) => ({ ...one, at: place(one.at) }));
    if (!before || before.bounds.join() !== data.bounds.join() || !this.scale) this.fit(data.bounds);
    this.draw();
  }

  // What the colours and the signs mean, below the map.
  explain({ legend, paint, marks }) {
    const part = (kind, text = '', className = '') => Object.assign(document.createElement(kind), { textContent: text, className });
    const inks = paint.inks.map(([name, alpha]) => {
      const swatch = part('i');
      [swatch.style.background, swatch.style.opacity] = [ink(name, (own) => `var(--${own})`), alpha];
      return swatch;
    });
    const grouped = (...swatches) => {
      const group = part('span', '', 'inks');
      group.append(...swatches);
      return group;
    };
    const named = legend.each.length
      ? legend.each.map((word, step) => {
          const both = part('span', '', 'each');
          both.append(grouped(inks[step]), part('span', word));
          return both;
        })
      : [part('span', legend.low), grouped(...inks), part('span', legend.high)];
    const parts = [part('span', legend.before, 'quiet'), ...named];
    if (legend.after) parts.push(part('span', legend.after, 'quiet'));
    if (marks.length) {
      const right = part('span', '', 'right');
      for (const [sign, word, name] of [['+', 'helped', 'helped'], ['−', 'hurt', 'hurt']]) {
        const disc = right.appendChild(part('span', sign, 'sign'));
        disc.style.background = `var(--${name}-disc)`;
        right.append(part('span', word));
      }
      right.append(part('span', 'bigger: stronger', 'quiet'));
      parts.push(right);
    }
    this.root.querySelector('.legend').replaceChildren(...parts);
  }

  placed(dots) {
    return { ...dots, x: dots.longitude.map(across), y: dots.latitude.map(down) };
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || (width === this.width && height === this.height)) return;
    const first = !this.width;
    [this.width, this.height, this.ratio] = [width, height, window.devicePixelRatio || 1];
    [this.canvas.width, this.canvas.height] = [width * this.ratio, height * this.ratio];
    if (first && this.data) this.fit(this.data.bounds);
    this.draw();
  }

  fit([west, south, east, north]) {
    if (!this.width) return;
    const [left, bottom] = place([west, south]), [right, top] = place([east, north]);
    const room = Math.min(40, this.width / 10), above = room + 26;  // where the buttons are
    this.scale = Math.min((this.width - 2 * room) / (right - left), (this.height - room - above) / (bottom - top));
    this.scale = Math.min(Math.max(this.scale, LEAST_ZOOM), MOST_ZOOM);
    this.centre = [(left + right) / 2, (top + bottom) / 2 - (above - room) / 2 / this.scale];
  }

  point([x, y]) {
    return [this.width / 2 + (x - this.centre[0]) * this.scale, this.height / 2 + (y - this.centre[1]) * this.scale];
  }

  under([left, top]) {
    return [this.centre[0] + (left - this.width / 2) / this.scale, this.centre[1] + (top - this.height / 2) / this.scale];
  }

  zoom(factor, [left, top] = [this.width / 2, this.height / 2]) {
    const fixed = this.under([left, top]);
    this.scale = Math.min(Math.max(this.scale * factor, LEAST_ZOOM), MOST_ZOOM);
    this.centre = [fixed[0] - (left - this.width / 2) / this.scale, fixed[1] - (top - this.height / 2) / this.scale];
    this.draw();
  }

  move(right, below) {
    this.centre = [this.centre[0] - right / this.scale, this.centre[1] - below / this.scale];
    this.draw();
  }

  draw() {
    if (this.waiting || !this.width || !this.data) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = null;
      this.paint();
    });
  }

  paint() {
    if (!this.scale) this.fit(this.data.bounds);
    const { pen, data, ratio } = this;
    const style = getComputedStyle(this.root);
    const colours = new Proxy({}, { get: (_, name) => style.getPropertyValue(`--${name}`).trim() });
    this.family = style.fontFamily;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.fillStyle = colours.sea;
    pen.fillRect(0, 0, this.width, this.height);
    if (this.land) this.paintLand(colours);
    if (this.dots) this.paintDots(colours);
    this.paintTowns(colours);
    this.spread();
    this.paintLines(colours);
    for (const mark of [...this.marks].reverse()) this.paintMark(mark, colours);
    for (const one of this.picked) this.paintPicked(one, colours);
    for (const area of [data.area.length ? data.area.map((at) => this.point(place(at))) : null, this.lasso]) {
      if (area) this.paintArea(area, colours);
    }
    const isWhole = this.land && this.dots;
    this.root.dataset.view = JSON.stringify([...degrees(this.centre), this.scale, isWhole ? data.signature : '']);
  }

  paintLand(colours) {
    const { pen, ratio, scale } = this, [x, y] = this.point([0, 0]);
    pen.save();
    pen.setTransform(ratio * scale, 0, 0, ratio * scale, ratio * x, ratio * y);
    pen.lineJoin = 'round';
    pen.lineWidth = 0.9 / scale;
    pen.strokeStyle = colours.coast;
    for (const [kind, colour] of [['beyond', colours.soft], ['county', colours.land], ['lake', colours.sea]]) {
      if (!this.land[kind]) continue;
      pen.fillStyle = colour;
      pen.fill(this.land[kind], 'evenodd');
      if (kind !== 'beyond') pen.stroke(this.land[kind]);
    }
    pen.restore();
  }

  paintDots(colours) {
    const { pen, dots, data } = this, { paint } = data, values = dots[paint.column];
    const radius = paint.radius * Math.min(1.8, Math.max(0.75, (this.scale / 60000) ** 0.25));
    const order = paint.inks.map(() => []);
    for (let row = 0; row < dots.id.length; row += 1) {
      const [left, top] = this.point([dots.x[row], dots.y[row]]);
      if (left < -9 || top < -9 || left > this.width + 9 || top > this.height + 9) continue;
      let step = 0;
      while (step < paint.breaks.length && values[row] > paint.breaks[step]) step += 1;
      order[step].push(left, top);
    }
    for (const step of paint.order) {
      [pen.fillStyle, pen.globalAlpha] = [ink(paint.inks[step][0], (own) => colours[own]), paint.inks[step][1]];
      pen.beginPath();
      for (let at = 0; at < order[step].length; at += 2) {
        pen.moveTo(order[step][at] + radius, order[step][at + 1]);
        pen.arc(order[step][at], order[step][at + 1], radius, 0, 2 * Math.PI);
      }
      pen.fill();
    }
    pen.globalAlpha = 1;
  }

  paintTowns(colours) {
    const { pen } = this, taken = [];
    pen.font = `12.5px ${this.family}`;
    pen.textAlign = 'center';
    pen.lineJoin = 'round';
    for (const [name, longitude, latitude] of this.data.towns) {
      const [left, top] = this.point(place([longitude, latitude]));
      const half = pen.measureText(name).width / 2 + 8;
      const box = [left - half, top - 14, left + half, top + 14];
      if (box[0] < 0 || box[1] < 0 || box[2] > this.width || box[3] > this.height) continue;
      if (taken.some((one) => one[0] < box[2] && box[0] < one[2] && one[1] < box[3] && box[1] < one[3])) continue;
      taken.push(box);
      pen.strokeStyle = colours.land;
      pen.lineWidth = 3;
      pen.strokeText(name, left, top + 4);
      pen.fillStyle = colours.muted;
      pen.fillText(name, left, top + 4);
    }
  }

  // Marks that would cover each other are moved apart, and a thin line shows where each belongs.
  spread() {
    const nearest = this.picked.map(({ at }) => ({ spot: this.point(at), size: 9, fixed: true }));
    for (const mark of this.marks) {
      mark.home = this.point(mark.at);
      mark.spot = [...mark.home];
    }
    const small = Math.max(0.42, Math.min(1, Math.sqrt(16 / this.marks.length)));
    for (const mark of this.marks) mark.size = mark.full * small;
    for (let round = 0; round < 12; round += 1) {
      for (const [row, mark] of this.marks.entries()) {
        for (const other of [...nearest, ...this.marks.slice(0, row)]) {
          let [right, below] = [mark.spot[0] - other.spot[0], mark.spot[1] - other.spot[1]];
          let apart = Math.hypot(right, below);
          const wanted = mark.size + other.size + 1;
          if (apart >= wanted) continue;
          if (apart < 0.01) [right, below, apart] = [Math.cos(row * 2.4), Math.sin(row * 2.4), 1];
          const push = ((wanted - apart) / apart) * (other.fixed ? 1 : 0.5);
          mark.spot = [mark.spot[0] + right * push, mark.spot[1] + below * push];
          if (!other.fixed) other.spot = [other.spot[0] - right * push, other.spot[1] - below * push];
        }
      }
    }
    for (const mark of this.marks) {
      const [right, below] = [mark.spot[0] - mark.home[0], mark.spot[1] - mark.home[1]];
      const short = Math.min(1, FARTHEST / Math.hypot(right, below));
      if (short < 1) mark.spot = [mark.home[0] + right * short, mark.home[1] + below * short];
    }
  }

  paintLines(colours) {
    const { pen } = this;
    for (const mark of this.marks) {
      pen.strokeStyle = colours[mark.sign > 0 ? 'helped-bar' : 'hurt-bar'];
      if (Math.hypot(mark.spot[0] - mark.home[0], mark.spot[1] - mark.home[1]) > 3) {
        pen.lineWidth = 1;
        pen.setLineDash([]);
        pen.beginPath();
        pen.moveTo(...mark.home);
        pen.lineTo(...mark.spot);
        pen.stroke();
      }
      if (this.picked.length !== 1) continue;
      pen.lineWidth = 1 + 1.4 * (mark.size / 12);
      pen.globalAlpha = 0.6;
      pen.setLineDash(mark.sign > 0 ? [] : [5, 4]);
      pen.beginPath();
      pen.moveTo(...this.point(this.picked[0].at));
      pen.lineTo(...mark.spot);
      pen.stroke();
      pen.globalAlpha = 1;
      pen.setLineDash([]);
    }
  }

  paintMark({ id, spot: [left, top], size, sign }, colours) {
    const { pen } = this, arm = size * 0.5;
    pen.beginPath();
    pen.arc(left, top, size, 0, 2 * Math.PI);
    pen.fillStyle = colours[sign > 0 ? 'helped-disc' : 'hurt-disc'];
    pen.fill();
    pen.lineWidth = 1.5;
    pen.strokeStyle = colours.page;
    pen.stroke();
    pen.beginPath();
    pen.lineWidth = Math.min(2, size / 4);
    pen.moveTo(left - arm, top);
    pen.lineTo(left + arm, top);
    if (sign > 0) {
      pen.moveTo(left, top - arm);
      pen.lineTo(left, top + arm);
    }
    pen.strokeStyle = colours['on-disc'];
    pen.stroke();
    if (id === this.data.chosen) {
      pen.beginPath();
      pen.arc(left, top, size + 3.5, 0, 2 * Math.PI);
      pen.lineWidth = 3;
      pen.strokeStyle = colours.ink;
      pen.stroke();
    }
  }

  paintPicked({ at, said }, colours) {
    const { pen } = this, [left, top] = this.point(at), many = this.picked.length > 40;
    pen.beginPath();
    pen.arc(left, top, said ? 8.5 : many ? 3.2 : 5.5, 0, 2 * Math.PI);
    pen.fillStyle = colours.page;
    pen.fill();
    pen.lineWidth = many ? 1.2 : 3.5;
    pen.strokeStyle = colours.ink;
    pen.stroke();
    if (!said) return;
    pen.beginPath();
    pen.arc(left, top, 2.6, 0, 2 * Math.PI);
    pen.fillStyle = colours.ink;
    pen.fill();
    pen.font = `600 13px ${this.family}`;
    pen.textAlign = 'left';
    const width = pen.measureText(said).width + 14;
    const from = left + 15 + width > this.width ? left - 15 - width : left + 15;
    const above = top < 34 ? top + 10 : top - 30;
    pen.beginPath();
    pen.roundRect(from, above, width, 22, 5);
    pen.fill();
    pen.fillStyle = colours.page;
    pen.fillText(said, from + 7, above + 15.5);
  }

  paintArea(corners, colours) {
    const { pen } = this;
    pen.beginPath();
    corners.forEach((at, step) => (step ? pen.lineTo(...at) : pen.moveTo(...at)));
    pen.closePath();
    [pen.fillStyle, pen.globalAlpha] = [colours.ink, 0.1];
    pen.fill();
    pen.globalAlpha = 1;
    pen.lineWidth = 1.5;
    pen.strokeStyle = colours.ink;
    pen.stroke();
  }
}
