// A signal that was chosen: constellation, spectrum, the three likeliest classes, the reasons.

import { frequency, quantity, share } from "./format.js";

function prepared(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const style = getComputedStyle(document.documentElement);
  const ink = (name) => style.getPropertyValue(name).trim();
  return { context, width, height, ink };
}

function drawConstellation(canvas, points) {
  const { context, width, height, ink } = prepared(canvas);
  const reach = Math.min(width, height) / 2 - 6;
  const sizes = points.map(([i, q]) => Math.max(Math.abs(i), Math.abs(q))).sort((a, b) => a - b);
  const most = 1.15 * (sizes[Math.floor(sizes.length * 0.985)] || 1);
  context.strokeStyle = ink("--line");
  context.beginPath();
  context.moveTo(width / 2, 4);
  context.lineTo(width / 2, height - 4);
  context.moveTo(4, height / 2);
  context.lineTo(width - 4, height / 2);
  context.stroke();
  context.fillStyle = ink("--accent");
  context.globalAlpha = 0.7;
  for (const [i, q] of points) {
    context.beginPath();
    context.arc(width / 2 + (i / most) * reach, height / 2 - (q / most) * reach, 1.8, 0, 7);
    context.fill();
  }
  context.globalAlpha = 1;
  canvas.setAttribute("aria-label", points.length
    ? `Constellation, ${points.length} symbols` : "Constellation: no window so far");
}

function drawSpectrum(canvas, spectrum, row) {
  const { context, width, height, ink } = prepared(canvas);
  context.font = "11px system-ui, sans-serif";
  context.fillStyle = ink("--muted");
  if (!spectrum) {
    context.fillText("not measured", 8, 18);
    canvas.setAttribute("aria-label", "Spectrum: not measured");
    return;
  }
  const { offset_hz: hz, level_db: level } = spectrum;
  const bottom = height - 18;
  const left = 28; // of the scale's figures
  for (const db of [0, -10, -20, -30, -40]) {
    const y = 6 + (-db / 50) * (bottom - 6);
    context.fillStyle = ink("--line");
    context.fillRect(left, y, width - left, 1);
    context.fillStyle = ink("--muted");
    context.textAlign = "right";
    context.fillText(`${db}`.replace("-", "−"), left - 5, y + 4);
  }
  context.beginPath();
  hz.forEach((each, i) => {
    const x = left + ((each - hz[0]) / ((hz.at(-1) - hz[0]) || 1)) * (width - left);
    const y = 6 + (Math.min(50, -level[i]) / 50) * (bottom - 6);
    if (i) context.lineTo(x, y); else context.moveTo(x, y);
  });
  context.strokeStyle = ink("--accent");
  context.lineWidth = 1.3;
  context.stroke();
  context.fillStyle = ink("--muted");
  const middle = (hz[0] + hz.at(-1)) / 2;
  context.textAlign = "center";
  context.fillText(`${quantity(hz.at(-1) - hz[0], "Hz", 3)} around ${
    frequency({ frequency_hz: row.frequency_hz === null ? null : row.frequency_hz - row.offset_hz + middle,
      offset_hz: middle })}`, width / 2, height - 5);
  context.textAlign = "left";
  canvas.setAttribute("aria-label", `Spectrum, ${quantity(row.bandwidth_hz, "Hz", 3)} wide`);
}

export class Detail {
  constructor(section) {
    this.section = section;
    this.id = null;
    const find = (name) => section.querySelector(name);
    this.parts = {
      title: find("#detail-title"), constellation: find("#constellation"),
      spectrum: find("#spectrum"), top: find("#top"), reasons: find("#reasons"),
    };
  }

  async show(id) {
    this.id = id;
    const answer = await fetch(`api/signals/${id}`).catch(() => null);
    const row = answer?.ok ? await answer.json().catch(() => null) : null;
    if (this.id !== id) return; // it was closed, or another one chosen, meanwhile
    if (!row) {
      this.section.hidden = false;
      this.parts.title.textContent = "This signal is not remembered any more";
      return;
    }
    this.draw(row);
  }

  hide() {
    this.id = null;
    this.section.hidden = true;
  }

  draw(row) {
    this.row = row;
    this.section.hidden = false;
    const named = row.class_name === null ? "Signal"
      : `${row.class_name}${row.probability === null ? "" : ` ${share(row.probability)}`}`;
    this.parts.title.textContent = `${named} at ${frequency(row)}`;
    drawConstellation(this.parts.constellation, row.constellation ?? []);
    drawSpectrum(this.parts.spectrum, row.spectrum, row);
    this.parts.top.replaceChildren(...Object.entries(row.top_classes).map(([name, value]) => {
      const item = document.createElement("li");
      const [label, bar, number] = ["span", "meter", "span"].map((each) => document.createElement(each));
      label.textContent = name;
      bar.value = value;
      bar.setAttribute("aria-label", `${name}, ${share(value)}`);
      number.textContent = share(value);
      number.className = "number";
      item.append(label, bar, number);
      return item;
    }));
    this.parts.reasons.replaceChildren(...(row.reasons ?? []).flatMap(([name, text]) => {
      const [term, words] = ["dt", "dd"].map((each) => document.createElement(each));
      term.textContent = name;
      words.textContent = text;
      return [term, words];
    }));
  }
}
