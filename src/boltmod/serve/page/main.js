// The page: what comes over the connection goes to the waterfall, the table and the details.

import { Connection } from "./connection.js";
import { Detail } from "./detail.js";
import { duration, frequency, offset, quantity } from "./format.js";
import { Table } from "./table.js";
import { MOST_ROWS, Waterfall, drawScale } from "./waterfall.js";

const MOST_SIGNALS = 2000;
const MOST_CARRIERS = 8;
const ANNOUNCED_MS = 2500;
const DETAIL_MS = 1000;
const find = (id) => document.getElementById(id);
const signals = new Map();
let hello = null;
let isPaused = false;
let waitingRows = []; // while it is paused, the newest of both
const waitingSignals = new Map();
let lastAnnounced = 0;
let session = null;

const told = {
  chosen: (id) => choose(id),
  cursor: (text) => { find("cursor").textContent = text; },
  measured: (is) => { find("zoom-measure").disabled = !is; },
  scale: ({ low, high, auto }) => showScale(low, high, auto),
};
const waterfall = new Waterfall(find("waterfall"), told);
waterfall.signals = signals;
const table = new Table(find("rows"), told);
const detail = new Detail(find("detail"));
drawScale(find("scale"));

function showScale(low, high, auto) {
  find("low").value = low;
  find("high").value = high;
  find("low-db").textContent = `${low} dB`;
  find("high-db").textContent = `${high} dB`;
  find("auto").setAttribute("aria-pressed", String(auto));
}

function choose(id) {
  waterfall.chosen = id;
  table.choose(id);
  if (id === null) detail.hide(); else detail.show(id);
  waterfall.redraw();
}

function setState(state, message = "") {
  const words = { live: "live", waiting: "waiting", ended: "ended", failed: "failed",
    lost: "connection lost", connecting: "connecting" };
  const text = message ? `${words[state]}: ${message}` : words[state];
  if (find("state").textContent !== text) find("state").textContent = text;
  find("state").dataset.state = state;
}

function keep(rows, row) {
  rows.set(row.id, row);
  if (rows.size > MOST_SIGNALS) rows.delete(rows.keys().next().value);
}

function showSignals() {
  find("nothing").hidden = signals.size > 0;
  const hidden = signals.size - table.lines.size;
  find("more").textContent = hidden > 0 ? `${hidden} older ones are in the saved files.` : "";
  waterfall.redraw();
}

function take(row) {
  const before = signals.get(row.id);
  keep(signals, row);
  table.update(row, hello.rate_hz);
  if (row.is_on && row.class_name && !before?.class_name) announce(`${row.class_name} at ${frequency(row)}`);
}

function announce(text) {
  const now = performance.now();
  if (now - lastAnnounced < ANNOUNCED_MS) return;
  lastAnnounced = now;
  find("announced").textContent = text;
}

const handlers = {
  hello(message) {
    hello = message;
    if (session !== message.session) { // another run: its signals have other numbers
      signals.clear();
      waitingSignals.clear();
      waitingRows = [];
      table.begin();
      choose(null);
      session = message.session;
    }
    waterfall.begin(message);
    find("source").textContent = `${message.source} · ${quantity(message.rate_hz, "S/s")}`
      + (message.centre_hz === null ? "" : ` at ${offset(0, message.centre_hz, message.rate_hz)}`);
    find("about").textContent = `boltmod ${message.version}, network ${message.model}`
      + (message.notes.length ? ` · ${message.notes.join("; ")}` : "");
    document.title = `boltmod: ${message.source}`;
    setState("connecting");
  },
  row(row) {
    if (!isPaused) {
      waterfall.add(row);
      return;
    }
    waitingRows.push(row);
    if (waitingRows.length > MOST_ROWS) waitingRows.shift();
  },
  signals(message) {
    if (isPaused) {
      for (const row of message.rows) keep(waitingSignals, row);
      return;
    }
    message.rows.forEach(take);
    showSignals();
  },
  status(message) {
    setState(message.state, message.message);
    find("clock").textContent = `${message.utc.slice(0, 10)} ${message.utc.slice(11, 19)} UTC`;
    const { search } = message;
    const dropped = message.n_dropped
      ? ` · ${(100 * message.n_dropped / message.n_seen).toFixed(1)} % of the samples dropped` : "";
    find("search").textContent = search.took_s
      ? `${message.n_on} on · new signals are looked for in ${(100 * search.share).toFixed(0)} % of the time`
        + ` (${duration(search.piece_s)} took ${duration(search.took_s)})${dropped}` : `starting${dropped}`;
    const carriers = message.carriers.map((each) => offset(each.offset_hz, hello.centre_hz, 1e4));
    const more = carriers.length > MOST_CARRIERS ? ` and ${carriers.length - MOST_CARRIERS} more` : "";
    find("carriers").textContent = carriers.length
      ? `Bare carriers: ${carriers.slice(-MOST_CARRIERS).join(", ")}${more}` : "";
  },
  lost(wait) {
    setState("lost", `trying again in ${duration(wait / 1000)}`);
  },
};
new Connection(handlers);

setInterval(() => {
  const row = detail.id !== null && signals.get(detail.id);
  if (row && row.is_on && !isPaused) detail.show(detail.id);
}, DETAIL_MS);

function pause(is) {
  isPaused = is;
  find("pause").setAttribute("aria-pressed", String(is));
  find("pause").textContent = is ? "Go on" : "Pause";
  if (!is) {
    waitingSignals.forEach(take);
    waitingSignals.clear();
    waitingRows.forEach((row) => waterfall.add(row));
    waitingRows = [];
    showSignals();
  }
}

find("pause").onclick = () => pause(!isPaused);
find("zoom-in").onclick = () => waterfall.zoom(0.5);
find("zoom-out").onclick = () => waterfall.zoom(2);
find("zoom-all").onclick = () => waterfall.zoomAll();
find("zoom-measure").onclick = () => waterfall.zoomToMeasure();
find("height").onchange = (event) => { waterfall.shown = Number(event.target.value); waterfall.redraw(); };
find("boxes").onchange = (event) => { waterfall.hasBoxes = event.target.checked; waterfall.redraw(); };
find("auto").onclick = () => { waterfall.scale.auto = true; waterfall.autoScale(); showScale(waterfall.scale.low, waterfall.scale.high, true); };
find("low").oninput = (event) => waterfall.setScale(Number(event.target.value), waterfall.scale.high, false);
find("high").oninput = (event) => waterfall.setScale(waterfall.scale.low, Math.max(Number(event.target.value), waterfall.scale.low + 5), false);
find("close").onclick = () => choose(null);
showScale(-100, -30, true);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => detail.row && !find("detail").hidden && detail.draw(detail.row));

document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, button, a, tr") && event.key !== "Escape") return;
  if (event.altKey || event.metaKey || (event.ctrlKey && event.key !== " ")) return;
  const keys = {
    " ": () => pause(!isPaused), "+": () => waterfall.zoom(0.5), "-": () => waterfall.zoom(2),
    0: () => waterfall.zoomAll(), z: () => waterfall.zoomToMeasure(), a: () => find("auto").click(),
    Escape: () => choose(null),
  };
  if (keys[event.key]) {
    event.preventDefault();
    keys[event.key]();
  }
});
