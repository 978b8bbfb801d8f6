// The table of signals: a row an appearance, the newest first.

import { colour, duration, frequency, quantity, share, time } from "./format.js";

const MOST = 200;

export class Table {
  constructor(body, told) {
    this.body = body;
    this.told = told; // { chosen(id) }
    this.lines = new Map();
    this.chosen = null;
    body.addEventListener("click", (event) => this.pick(event.target));
    body.addEventListener("keydown", (event) => this.key(event));
  }

  begin() {
    this.body.replaceChildren();
    this.lines.clear();
  }

  update(row, rate) {
    let line = this.lines.get(row.id);
    if (!line) {
      line = this.make(row);
      if (!line) return;
    }
    const seconds = (row.end_sample - row.first_sample) / rate;
    const values = [
      time(row.start_utc), duration(seconds), row.class_name ?? "…",
      share(row.probability), frequency(row), quantity(row.bandwidth_hz, "Hz", 3),
      `${row.symbol_rate_is_sure ? "" : "~"}${quantity(row.symbol_rate_hz, "Bd")}`,
      row.snr_db === null ? "" : `${row.snr_db.toFixed(0)} dB`,
    ];
    values.forEach((text, i) => {
      const cell = line.cells[i];
      if (cell.textContent !== text) cell.textContent = text;
    });
    line.cells[2].style.setProperty("--colour", colour(row.class_name));
    line.classList.toggle("over", !row.is_on);
    line.setAttribute("aria-label", `${row.class_name ?? "not yet named"}, `
      + `${share(row.probability) || "by its waveform"}, ${frequency(row)}, `
      + `${quantity(row.bandwidth_hz, "Hz", 3)} wide, ${row.is_on ? "on" : "over"}`);
  }

  make(row) {
    const line = document.createElement("tr");
    line.dataset.id = row.id;
    line.tabIndex = 0;
    line.setAttribute("aria-selected", String(row.id === this.chosen));
    for (let i = 0; i < 8; i += 1) {
      const cell = line.insertCell();
      if (i > 2) cell.className = "number";
    }
    line.cells[2].className = "class";
    const after = [...this.body.rows].find((each) => Number(each.dataset.id) < row.id);
    if (!after && !row.is_on && this.body.rows.length >= MOST) return null;
    this.body.insertBefore(line, after ?? null);
    this.lines.set(row.id, line);
    if (this.body.rows.length > MOST) { // what is on stays, however long it has been
      const rows = [...this.body.rows].filter((each) => each !== line);
      const last = rows.findLast((each) => each.classList.contains("over")) ?? rows.at(-1);
      this.lines.delete(Number(last.dataset.id));
      last.remove();
    }
    return line;
  }

  choose(id) {
    this.chosen = id;
    for (const [each, line] of this.lines) line.setAttribute("aria-selected", String(each === id));
  }

  pick(target) {
    const line = target.closest("tr");
    if (line) this.told.chosen(Number(line.dataset.id));
  }

  key(event) {
    const line = event.target.closest("tr");
    if (!line) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.pick(line);
    }
    const next = { ArrowDown: line.nextElementSibling, ArrowUp: line.previousElementSibling }[event.key];
    if (next) {
      event.preventDefault();
      next.focus();
    }
  }
}
