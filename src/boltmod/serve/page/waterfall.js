// The waterfall: rows of power, boxes around the signals, a cursor that measures.

import { colour, duration, offset, quantity, share } from "./format.js";

export const MOST_ROWS = 600;
const TOP_PX = 22;
const LEFT_PX = 0;
const TRACE_PX = 70;
// Inferno (matplotlib, CC0) in nine steps.
const STEPS = [[0, 0, 4], [27, 12, 65], [74, 12, 107], [120, 28, 109], [165, 44, 96], [207, 68, 70],
  [237, 105, 37], [251, 155, 6], [252, 255, 164]];
const PALETTE = palette();

function palette() {
  const table = new Uint32Array(256);
  for (let i = 0; i < 256; i += 1) {
    const at = (i / 255) * (STEPS.length - 1);
    const k = Math.min(STEPS.length - 2, Math.floor(at));
    const [r, g, b] = STEPS[k].map((c, j) => Math.round(c + (STEPS[k + 1][j] - c) * (at - k)));
    table[i] = (255 << 24) | (b << 16) | (g << 8) | r;
  }
  return table;
}

export function drawScale(canvas) {
  const context = canvas.getContext("2d");
  for (let x = 0; x < canvas.width; x += 1) {
    const value = PALETTE[Math.floor((x / canvas.width) * 256)];
    context.fillStyle = `rgb(${value & 255} ${(value >> 8) & 255} ${(value >> 16) & 255})`;
    context.fillRect(x, 0, 1, canvas.height);
  }
}

export class Waterfall {
  constructor(canvas, told) {
    this.canvas = canvas;
    this.told = told; // { chosen(id), cursor(text), measured(is), scale(low, high) }
    this.rows = []; // newest first
    this.signals = new Map();
    this.chosen = null;
    this.scale = { low: -100, high: -30, auto: true };
    this.shown = 300;
    this.hasBoxes = true;
    this.cursor = null;
    this.measure = null;
    this.picture = document.createElement("canvas");
    this.isDrawn = true;
    new ResizeObserver(() => this.redraw()).observe(canvas);
    this.listen();
  }

  begin(hello) {
    this.band = hello;
    this.rows = [];
    this.picture.width = hello.n_bins;
    this.picture.height = MOST_ROWS;
    this.pen = this.picture.getContext("2d", { willReadFrequently: false });
    this.line = this.pen.createImageData(hello.n_bins, 1);
    this.pixels = new Uint32Array(this.line.data.buffer);
    if (!this.view || this.view.low < hello.low_hz || this.view.high > hello.high_hz) {
      this.view = { low: hello.low_hz, high: hello.high_hz };
    }
    this.redraw();
  }

  add(row) {
    if (this.rows.length && row.first <= this.rows[0].first) return;
    this.rows.unshift(row);
    if (this.rows.length > MOST_ROWS) this.rows.pop();
    if (this.scale.auto && (this.rows.length < 20 || this.rows.length % 20 === 0)) this.autoScale();
    this.pen.drawImage(this.picture, 0, 1);
    this.paint(row, 0);
    this.redraw();
  }

  paint(row, y) {
    const { low, high } = this.scale;
    const factor = 255 / (100 * (high - low));
    for (let i = 0; i < row.level.length; i += 1) {
      const value = (row.level[i] - 100 * low) * factor;
      this.pixels[i] = PALETTE[value <= 0 ? 0 : value >= 255 ? 255 : value | 0];
    }
    this.pen.putImageData(this.line, 0, y);
  }

  repaint() {
    if (!this.band) return;
    this.rows.forEach((row, y) => this.paint(row, y));
    this.redraw();
  }

  setScale(low, high, auto) {
    this.scale = { low: Math.min(low, high - 5), high, auto };
    this.told.scale(this.scale);
    this.repaint();
  }

  autoScale() {
    const values = [];
    for (const row of this.rows.slice(0, 40)) {
      for (let i = 3; i < row.level.length; i += 17) values.push(row.level[i]);
    }
    if (!values.length) return;
    values.sort((a, b) => a - b);
    const low = Math.floor(values[Math.floor(values.length * 0.3)] / 100) - 4;
    const high = Math.max(low + 30, Math.ceil(values[Math.floor(values.length * 0.998)] / 100) + 4);
    if (Math.abs(low - this.scale.low) > 2 || Math.abs(high - this.scale.high) > 4) {
      this.setScale(low, high, true);
    }
  }

  redraw() {
    if (!this.isDrawn) return;
    this.isDrawn = false;
    requestAnimationFrame(() => this.draw());
  }

  // Geometry, in CSS pixels.
  get size() {
    return { width: this.canvas.clientWidth, height: this.canvas.clientHeight };
  }

  get top() { return TOP_PX + TRACE_PX; }

  get rowHeight() { return (this.size.height - this.top) / this.shown; }

  xOf(hz) {
    return LEFT_PX + ((hz - this.view.low) / (this.view.high - this.view.low)) * this.size.width;
  }

  hzAt(x) {
    return this.view.low + (x / this.size.width) * (this.view.high - this.view.low);
  }

  // Where a sample is, in rows from the newest; between rows that are there, by proportion.
  rowOf(sample) {
    const { rows } = this;
    const length = this.band.samples_per_row;
    if (!rows.length || sample >= rows[0].first + length) return 0;
    let low = 0;
    let high = rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle].first <= sample) high = middle; else low = middle + 1;
    }
    if (low >= rows.length) return rows.length;
    return low + 1 - Math.min(1, (sample - rows[low].first) / length);
  }

  rowAt(y) {
    const place = Math.floor((y - this.top) / this.rowHeight);
    return this.rows[Math.max(0, Math.min(place, this.rows.length - 1))];
  }

  draw() {
    this.isDrawn = true;
    if (!this.band) return;
    const { width, height } = this.size;
    const ratio = window.devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * ratio)
      || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    const context = this.canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = "#05060a";
    context.fillRect(0, 0, width, height);
    const span = this.band.high_hz - this.band.low_hz;
    const first = ((this.view.low - this.band.low_hz) / span) * this.band.n_bins;
    const many = ((this.view.high - this.view.low) / span) * this.band.n_bins;
    const n = Math.min(this.shown, this.rows.length);
    context.imageSmoothingEnabled = many > width * ratio;
    if (n) {
      context.drawImage(this.picture, first, 0, many, n, 0, this.top, width, n * this.rowHeight);
    }
    this.drawTrace(context, width, first, many);
    this.drawAxis(context, width);
    this.regions = [];
    if (this.hasBoxes) this.drawBoxes(context, width, height);
    this.drawCursor(context, width, height);
    this.canvas.dataset.newest = this.rows[0]?.first ?? 0;
    this.canvas.dataset.boxes = this.regions.length;
  }

  drawTrace(context, width, first, many) {
    if (!this.rows.length) return;
    const { low, high } = this.scale;
    const mean = new Float32Array(this.band.n_bins);
    const rows = this.rows.slice(0, 6);
    for (const row of rows) for (let i = 0; i < mean.length; i += 1) mean[i] += row.level[i];
    context.beginPath();
    for (let x = 0; x <= width; x += 1) {
      const from = Math.max(0, Math.floor(first + (x / width) * many));
      const to = Math.min(mean.length, Math.max(from + 1, Math.floor(first + ((x + 1) / width) * many)));
      let most = -Infinity;
      for (let i = from; i < to; i += 1) most = Math.max(most, mean[i]);
      const level = (most / rows.length / 100 - low) / (high - low);
      const y = TOP_PX + TRACE_PX * (1 - Math.max(0, Math.min(1, level)));
      if (x) context.lineTo(x, y); else context.moveTo(x, y);
    }
    context.strokeStyle = "#8fd3ff";
    context.lineWidth = 1;
    context.stroke();
  }

  drawAxis(context, width) {
    const span = this.view.high - this.view.low;
    context.fillStyle = "#d5dbe2";
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    const n = Math.max(3, Math.floor(width / 110));
    const raw = span / n;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= raw);
    const centre = this.band.centre_hz ?? 0;
    let last = -Infinity;
    for (let at = Math.ceil((centre + this.view.low) / step) * step; at <= centre + this.view.high;
      at += step) {
      const x = this.xOf(at - centre);
      const text = offset(at - centre, this.band.centre_hz, step);
      const half = context.measureText(text).width / 2;
      context.fillRect(x, TOP_PX - 4, 1, 4);
      if (x - half < Math.max(2, last + 8) || x + half > width - 2) continue;
      context.textAlign = "center";
      context.fillText(text, x, TOP_PX / 2);
      last = x + half;
    }
  }

  drawBoxes(context, width, height) {
    const end = this.rows.length ? this.rows[0].first + this.band.samples_per_row : 0;
    context.font = "600 12px system-ui, sans-serif";
    context.textBaseline = "middle";
    const labels = []; // over all boxes
    const signals = [...this.signals.values()].sort((a, b) => b.id - a.id);
    for (const row of signals) {
      const top = this.top + this.rowOf(row.is_on ? Math.max(end, row.end_sample) : row.end_sample) * this.rowHeight;
      const bottom = this.top + this.rowOf(row.first_sample) * this.rowHeight;
      const left = this.xOf(row.low_hz);
      const right = this.xOf(row.high_hz);
      if (top >= height || right < 0 || left > width || bottom <= this.top) continue;
      const x = Math.min(left, (left + right) / 2 - 4);
      const wide = Math.max(8, right - left);
      const tall = Math.max(3, Math.min(bottom, height) - top);
      const isChosen = row.id === this.chosen;
      context.lineWidth = isChosen ? 4 : 3;
      context.strokeStyle = "#000000b0";
      context.strokeRect(x, top, wide, tall);
      context.lineWidth = isChosen ? 2.5 : 1.3;
      context.strokeStyle = isChosen ? "#ffffff" : colour(row.class_name);
      context.strokeRect(x, top, wide, tall);
      this.regions.push({ id: row.id, x, y: top, width: wide, height: tall });
      const text = row.class_name === null ? "…"
        : row.probability === null ? row.class_name : `${row.class_name} ${share(row.probability)}`;
      labels.push([text, { x, y: Math.max(top, this.top) }, isChosen, row]);
    }
    const taken = [];
    for (const [text, at, isChosen, row] of labels) {
      this.drawLabel(context, text, at, width, taken, isChosen, row);
    }
  }

  drawLabel(context, text, at, width, taken, isChosen, row) {
    const wide = context.measureText(text).width + 8;
    const place = { x: Math.max(0, Math.min(at.x, width - wide)), y: at.y + 1, width: wide, height: 17 };
    for (let tries = 0; tries < 5; tries += 1) {
      const hit = taken.find((each) => place.x < each.x + each.width && each.x < place.x + place.width
        && place.y < each.y + each.height && each.y < place.y + place.height);
      if (!hit) break;
      place.y = hit.y + hit.height + 1;
    }
    taken.push(place);
    context.fillStyle = isChosen ? "#ffffff" : "#000000c8";
    context.fillRect(place.x, place.y, place.width, place.height);
    context.fillStyle = isChosen ? "#000000" : colour(row.class_name);
    context.textAlign = "left";
    context.fillText(text, place.x + 4, place.y + 9);
    this.regions.push({ id: row.id, ...place });
  }

  drawCursor(context, width, height) {
    if (this.measure) {
      const { from, to } = this.measure;
      const [x1, x2] = [this.xOf(from.hz), this.xOf(to.hz)];
      const [y1, y2] = [from, to].map((each) => this.top + this.rowOf(each.sample) * this.rowHeight);
      context.strokeStyle = "#ffffff";
      context.setLineDash([4, 3]);
      context.strokeRect(Math.min(x1, x2), Math.min(y1, y2), Math.abs(x2 - x1), Math.abs(y2 - y1));
      context.setLineDash([]);
    }
    if (!this.cursor) return;
    const { x, y } = this.cursor;
    context.fillStyle = "#ffffff90";
    context.fillRect(x, TOP_PX, 1, height);
    context.fillRect(0, y, width, 1);
  }

  // What the cursor points at.
  placeAt(x, y) {
    const row = this.rowAt(y);
    const hz = this.hzAt(x);
    if (!row) return null;
    const span = this.band.high_hz - this.band.low_hz;
    const bin = Math.floor(((hz - this.band.low_hz) / span) * this.band.n_bins);
    return { hz, sample: row.first, utc: row.utc, level: row.level[bin] / 100 };
  }

  point(x, y) {
    const { width, height } = this.size;
    this.cursor = {
      x: Math.max(0, Math.min(x, width - 1)), y: Math.max(this.top, Math.min(y, height - 1)),
    };
    const place = this.band && this.placeAt(this.cursor.x, this.cursor.y);
    if (place) this.told.cursor(this.words(place));
    this.redraw();
    return place;
  }

  words(place) {
    const span = this.view.high - this.view.low;
    const at = `${offset(place.hz, this.band.centre_hz, span / 1000)} · `
      + `${new Date(place.utc).toISOString().slice(11, 23)} UTC · ${place.level.toFixed(1)} dB`;
    if (!this.measure) return at;
    const { from, to } = this.measure;
    const seconds = Math.abs(to.sample - from.sample) / this.band.rate_hz;
    const wide = quantity(Math.abs(to.hz - from.hz), "Hz");
    return `${at} · measured: ${wide} wide, ${duration(seconds)} long`;
  }

  signalAt(x, y) {
    const hits = this.regions.filter((each) => x >= each.x - 2 && x <= each.x + each.width + 2
      && y >= each.y - 2 && y <= each.y + each.height + 2);
    hits.sort((a, b) => a.width * a.height - b.width * b.height);
    return hits.length ? hits[0].id : null;
  }

  zoom(factor, hz = (this.view.low + this.view.high) / 2) {
    if (!this.band) return;
    const whole = this.band.high_hz - this.band.low_hz;
    const least = whole / this.band.n_bins * 16;
    const span = Math.max(least, Math.min(whole, (this.view.high - this.view.low) * factor));
    const part = (hz - this.view.low) / (this.view.high - this.view.low);
    const low = Math.max(this.band.low_hz, Math.min(hz - part * span, this.band.high_hz - span));
    this.view = { low, high: low + span };
    this.redraw();
  }

  zoomToMeasure() {
    if (!this.measure) return;
    const [low, high] = [this.measure.from.hz, this.measure.to.hz].sort((a, b) => a - b);
    const spare = Math.max((high - low) * 0.1, (this.band.high_hz - this.band.low_hz) / this.band.n_bins * 8);
    this.view = { low: Math.max(this.band.low_hz, low - spare), high: Math.min(this.band.high_hz, high + spare) };
    this.setMeasure(null);
  }

  zoomAll() {
    this.view = { low: this.band.low_hz, high: this.band.high_hz };
    this.redraw();
  }

  setMeasure(measure) {
    this.measure = measure;
    this.told.measured(measure !== null);
    this.redraw();
  }

  listen() {
    const { canvas } = this;
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    let begun = null;
    canvas.addEventListener("pointerdown", (event) => {
      const [x, y] = at(event);
      const place = this.point(x, y);
      begun = place && { x, y, place };
      if (begun) canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      const [x, y] = at(event);
      const place = this.point(x, y);
      if (begun && place && Math.hypot(x - begun.x, y - begun.y) > 4) {
        this.setMeasure({ from: begun.place, to: place });
        this.told.cursor(this.words(place));
      }
    });
    canvas.addEventListener("pointerup", (event) => {
      const [x, y] = at(event);
      if (begun && Math.hypot(x - begun.x, y - begun.y) <= 4) {
        this.setMeasure(null);
        this.told.chosen(this.signalAt(x, y));
      }
      begun = null;
    });
    canvas.addEventListener("pointerleave", () => { this.cursor = null; this.redraw(); });
    canvas.addEventListener("wheel", (event) => {
      if (!this.band || event.ctrlKey) return;
      event.preventDefault();
      this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.hzAt(at(event)[0]));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const step = event.ctrlKey ? 1 : 10;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    const move = moves[event.key];
    if (move && this.band) {
      event.preventDefault();
      const { width, height } = this.size;
      const from = this.cursor ?? { x: width / 2, y: (this.top + height) / 2 };
      const before = this.placeAt(from.x, from.y);
      const place = this.point(from.x + move[0], from.y + move[1]);
      if (event.shiftKey && before && place) {
        this.setMeasure({ from: this.measure ? this.measure.from : before, to: place });
        this.told.cursor(this.words(place));
      } else if (!event.shiftKey && this.measure) this.setMeasure(null);
    } else if (event.key === "Enter" && this.cursor) {
      this.told.chosen(this.signalAt(this.cursor.x, this.cursor.y));
    }
  }
}
