// The picture above a timeline: a lane for each kind on one time axis. Dragging, or the keyboard, chooses a time; the
// list below follows. New entries appear by themselves while the reader is at the top.

import { Live } from "./live.js";
import { shortcut } from "./keyboard.js";
import { clockText, now, setServerTime } from "./live-clock.js";

const PAGE = "#timeline";
const SVG = "#lanes";
const FORM = "#filters";
const ENTRIES = "#entries";
const WORDS = "#lanes-words";
const SPAN = "[data-span]";
const LEFT = 84;
const RIGHT = 8;
const ROW = 26;
const REFRESH_MS = 1500;
const LOOK_EVERY_MS = 15_000;
const LEAST_S = 60;
const NAMESPACE = "http://www.w3.org/2000/svg";
// Shapes in a square from -1 to 1; the same as beside the entries.
const SHAPES = {
  alarm: "M0 -1L1 1L-1 1Z", medication: "M-1 0A1 1 0 1 0 1 0A1 1 0 1 0 -1 0Z", images: "M-1 -1H1V1H-1Z",
  care: "M0 -1L1 0L0 1L-1 0Z", devices: "M-1 -.3H1V.3H-1Z", security: "M-1 -1H1V.1L0 1L-1 .1Z",
};

const page = document.querySelector(PAGE);
const svg = document.querySelector(SVG);
const form = document.querySelector(FORM);
const zone = page.dataset.zone;
let spanS = 24 * 3600;
let chosen = read(); // {from, to} or null: everything up to now
let lanes = {};
let brush = null;

function read() {
  const [from, to] = [Number(form.elements.from.value), Number(form.elements.to.value)];
  return from && to > from ? { from, to } : null;
}

const view = () => chosen ?? { from: now() - spanS, to: now() };
const width = () => svg.clientWidth;
const x = (t) => LEFT + ((t - view().from) / (view().to - view().from)) * (width() - LEFT - RIGHT);
const timeAt = (event) => {
  const share = (event.clientX - svg.getBoundingClientRect().left - LEFT) / (width() - LEFT - RIGHT);
  return view().from + Math.min(Math.max(share, 0), 1) * (view().to - view().from);
};

async function load() {
  const query = new URLSearchParams({ from: view().from.toFixed(0), to: view().to.toFixed(0) });
  for (const box of form.querySelectorAll("[name=lane]:checked")) query.append("lane", box.value);
  try {
    const response = await fetch(`${page.dataset.picture}?${query}`);
    if (!response.ok) throw new Error(String(response.status));
    lanes = (await response.json()).lanes;
    draw();
  } catch {
    document.querySelector(WORDS).textContent = "The overview could not be loaded.";
  }
}

function add(name, attributes, text) {
  const element = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  svg.append(element);
  return element;
}

function draw() {
  svg.replaceChildren();
  const names = Object.keys(lanes);
  const bottom = names.length * ROW + 6;
  svg.style.height = `${bottom + 22}px`;
  names.forEach((name, row) => {
    const y = row * ROW + ROW / 2;
    add("line", { class: "lane-line", x1: LEFT, x2: width() - RIGHT, y1: y + ROW / 2, y2: y + ROW / 2 });
    add("text", { class: "lane-label", x: 0, y: y + 4 }, name[0].toUpperCase() + name.slice(1));
    for (const [t, count, priority] of lanes[name]) {
      const size = Math.min(5 + Math.log2(count), 9);
      const mark = add("path", { class: `mark ${priority}`, d: SHAPES[name], transform: `translate(${x(t)} ${y}) scale(${size})` });
      const words = document.createElementNS(NAMESPACE, "title");
      words.textContent = `${clockText(t, zone, true)}: ${count} ${name}`;
      mark.append(words);
    }
  });
  drawTicks(bottom);
  if (brush) {
    const [a, b] = [x(Math.min(brush.from, brush.to)), x(Math.max(brush.from, brush.to))];
    add("rect", { class: "brush", x: a, y: 0, width: b - a, height: bottom });
  }
}

function drawTicks(bottom) {
  const { from, to } = view();
  const many = Math.max(Math.floor((width() - LEFT) / 110), 1);
  for (let n = 0; n <= many; n++) {
    const t = from + ((to - from) * n) / many;
    const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: zone }).format(t * 1000);
    const text = to - from > 2 * 86400 ? day : clockText(t, zone, to - from < 600);
    add("text", { class: "tick", x: x(t), y: bottom + 16, "text-anchor": n === 0 ? "start" : n === many ? "end" : "middle" }, text);
  }
}

/** Show this time in picture and list; null is everything. */
function choose(span) {
  chosen = span && { from: span.from, to: Math.max(span.to, span.from + LEAST_S) };
  form.elements.from.value = chosen ? chosen.from.toFixed(0) : "";
  form.elements.to.value = chosen ? chosen.to.toFixed(0) : "";
  document.querySelector(WORDS).textContent = chosen ? `Showing ${clockText(chosen.from, zone)} to ${clockText(chosen.to, zone)}.` : "";
  htmx.trigger(form, "refresh");
  load();
}

svg.addEventListener("pointerdown", (event) => {
  if (event.button || event.pointerType === "touch") return; // a finger scrolls the page; the buttons zoom
  brush = { from: timeAt(event), to: timeAt(event) };
  svg.setPointerCapture(event.pointerId);
});
svg.addEventListener("pointermove", (event) => {
  if (!brush) return;
  brush.to = timeAt(event);
  draw();
});
svg.addEventListener("pointerup", () => {
  const [from, to] = brush ? [Math.min(brush.from, brush.to), Math.max(brush.from, brush.to)] : [0, 0];
  brush = null;
  if (x(to) - x(from) > 6) choose({ from, to });
  else draw();
});
svg.addEventListener("dblclick", () => choose(null));
svg.addEventListener("keydown", (event) => {
  const { from, to } = view();
  const [step, middle] = [(to - from) / 4, (from + to) / 2];
  const zoomed = (factor) => ({ from: middle - ((to - from) / 2) * factor, to: middle + ((to - from) / 2) * factor });
  const spans = { ArrowLeft: { from: from - step, to: to - step }, ArrowRight: { from: from + step, to: to + step }, "+": zoomed(0.5), "-": zoomed(2), Home: null };
  if (!(event.key in spans)) return;
  event.preventDefault();
  choose(spans[event.key]);
});

for (const button of document.querySelectorAll(SPAN)) {
  button.addEventListener("click", () => {
    document.querySelectorAll(SPAN).forEach((one) => one.setAttribute("aria-pressed", String(one === button)));
    spanS = Number(button.dataset.span) * 3600;
    choose(null);
  });
}

let waiting;
/** Fetch what is new, unless the reader is further down or filters by time. */
function refresh() {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    if (document.hidden || chosen || form.elements.at.value || scrollY > 400 || document.querySelector(ENTRIES).contains(document.activeElement)) return;
    htmx.trigger(form, "refresh");
    load();
  }, REFRESH_MS);
}

if (page.dataset.patient) {
  new Live(`/ws/patient/${page.dataset.patient}/`, JSON.parse(document.querySelector("#cursors").textContent))
    .on("hello", (message) => setServerTime(message.server_time))
    .on("alert", refresh).on("notice", refresh).on("reconnected", refresh)
    .start();
}
shortcut("g", () => form.elements.at.focus());
setInterval(refresh, LOOK_EVERY_MS); // what no socket tells: refused frames, and who looked
form.addEventListener("change", load);
new ResizeObserver(draw).observe(svg);
load();
