// How quantities are written, everywhere on the page.

const MULTIPLES = [[1e9, "G"], [1e6, "M"], [1e3, "k"]];

export function quantity(value, unit, digits = 4) {
  if (value === null || value === undefined) return "";
  for (const [factor, letter] of MULTIPLES) {
    if (Math.abs(value) >= factor) return `${trimmed(value / factor, digits)} ${letter}${unit}`;
  }
  return `${trimmed(value, digits)} ${unit}`;
}

function trimmed(value, digits) {
  return String(Number(value.toPrecision(digits)));
}

// A frequency on the air to the nearest hundred hertz, or an offset from the middle of the band.
export function frequency(row) {
  if (row.frequency_hz !== null) return `${(row.frequency_hz / 1e6).toFixed(4)} MHz`;
  return `${row.offset_hz < 0 ? "−" : "+"}${quantity(Math.abs(row.offset_hz), "Hz")}`;
}

export function offset(hz, centre, span) {
  if (centre !== null && centre !== undefined) {
    const digits = Math.min(6, Math.max(2, Math.ceil(7 - Math.log10(span))));
    return `${((centre + hz) / 1e6).toFixed(digits)} MHz`;
  }
  const sign = hz < 0 ? "−" : hz > 0 ? "+" : "";
  return `${sign}${quantity(Math.abs(hz), "Hz")}`;
}

export function time(utc) {
  return utc.slice(11, 19);
}

export function duration(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 100) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

export function share(value) {
  return value === null || value === undefined ? "" : `${Math.round(100 * value)} %`;
}

// Colours of Okabe and Ito, which colour-blind readers tell apart; a class keeps its colour.
const COLOURS = ["#56b4e9", "#e69f00", "#009e73", "#f0e442", "#cc79a7", "#d55e00", "#0072b2"];

export function colour(name) {
  if (!name || name === "unknown") return "#c8ced4";
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.charCodeAt(0)) % 9973;
  return COLOURS[sum % COLOURS.length];
}
