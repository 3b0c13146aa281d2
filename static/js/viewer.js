// The viewer: which series and image is shown, through which window, in which layout. Pixels, drawing and hands are elsewhere.

import { shortcut } from "./keyboard.js";
import { draw, panesOf, pixelAt } from "./viewer-draw.js";
import { listen } from "./viewer-gestures.js";
import { frameOf, fullRange, grey, prefetch } from "./viewer-pixels.js";

const ROOT = "#viewer";
const STAGE = "#stage";
const PRESETS = {
  HU: { Brain: [40, 80], Lung: [-600, 1500], Bone: [480, 2500], Abdomen: [60, 400] }, // centre, width in Hounsfield units
  "a.u.": {},
};
const CINE_MS = 120;
const root = document.querySelector(ROOT);
const stage = root.querySelector(STAGE);
const canvas = stage.querySelector("canvas");
const divider = stage.querySelector(".divider");
const presets = root.querySelector("[data-preset]");
const other = root.querySelector("[data-other]");
const swipe = root.querySelector("[data-swipe]");
const slices = root.querySelector("[data-slices]");
const overlay = (corner) => stage.querySelector(`.overlay.${corner}`);
const evidence = root.querySelector("[data-image-evidence]");
const series = JSON.parse(document.querySelector("#series").textContent);

const view = { layout: "single", swipe: 0.5, zoom: 1, panX: 0, panY: 0, centre: 0, width: 1 };
const state = { at: 0, against: 0, index: 0, tool: "window", inverted: false, playing: 0, turn: 0 };
const buffers = [new OffscreenCanvas(1, 1), new OffscreenCanvas(1, 1)];
let pictures = [];
let asked = 0;

const current = () => series[state.at];
const imageOf = (stack) => stack.images[Math.min(state.index, stack.images.length - 1)];
const shown = () => (view.layout === "single" ? [current()] : [current(), series[state.against]]);

/** Fetch what is to be shown, then paint; a later call makes an earlier one forget itself. */
async function show() {
  const turn = (state.turn += 1);
  const stacks = shown();
  try {
    const loaded = await Promise.all(stacks.map(async (stack) => ({ stack, image: imageOf(stack), values: await frameOf(imageOf(stack)) })));
    if (turn !== state.turn) return;
    pictures = loaded.map((entry, index) => ({ ...entry, canvas: buffers[index] }));
    overlay("centre").textContent = "";
    repaint();
    prefetch(stacks.flatMap((stack) => [1, -1, 2].map((step) => stack.images[state.index + step]).filter(Boolean)));
  } catch (error) {
    if (turn === state.turn) overlay("centre").textContent = error.message;
  }
}

/** Paint at the next frame of the screen, once, however many changes came before it. */
function repaint() {
  if (asked) return;
  asked = requestAnimationFrame(() => {
    asked = 0;
    for (const picture of pictures) grey(picture.image, picture.values, windowOf(picture), state.inverted, picture.canvas);
    draw(canvas, pictures, view);
    tell();
  });
}

/** Both pictures share the window when they share the unit; else the second keeps its own. */
function windowOf(picture) {
  return picture.stack.unit === current().unit ? view : picture.image;
}

function tell() {
  if (!pictures.length) return;
  const [first, second] = pictures;
  const unit = first.stack.unit;
  overlay("top-left").textContent = `${first.stack.label}\n${first.image.note}`;
  overlay("top-right").textContent = second ? `${second.stack.label}\n${second.image.note}` : "";
  overlay("bottom-left").textContent = `Image ${state.index + 1} of ${first.stack.images.length}\nWindow ${round(view.width)}, level ${round(view.centre)} ${unit}`;
  tellEvidence(pictures);
  divider.hidden = view.layout !== "swipe";
  divider.style.left = `${view.swipe * 100}%`;
  slices.querySelector("output").textContent = `${state.index + 1} of ${first.stack.images.length}`;
}

/** One link to what proves each image that is shown, named as its series is where there are two. */
function tellEvidence(shownNow) {
  const links = shownNow.map(({ stack, image }) => {
    const link = document.createElement("a");
    Object.assign(link, { className: "plain", href: image.evidence, textContent: shownNow.length > 1 ? `Evidence: ${stack.label}` : "Evidence of this image" });
    link.toggleAttribute("data-number", true);
    link.toggleAttribute("data-evidence", true);
    return link;
  });
  const told = (nodes) => [...nodes].map((node) => node.href).join();
  if (told(links) !== told(evidence.children)) evidence.replaceChildren(...links); // a link in focus stays where it is
}

const round = (value) => (Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3)));

function pickSeries(at) {
  state.at = (at + series.length) % series.length;
  state.index = Math.min(state.index, current().images.length - 1);
  if (state.against === state.at) state.against = counterpart();
  for (const button of root.querySelectorAll("[data-series]")) button.setAttribute("aria-pressed", String(button.dataset.series === current().id));
  const range = slices.querySelector("input");
  range.max = current().images.length;
  range.value = state.index + 1;
  slices.hidden = current().images.length < 2;
  root.querySelector("[data-do=play]").disabled = current().images.length < 2;
  other.querySelector("select").value = series[state.against].id;
  fillPresets();
  Object.assign(view, { centre: imageOf(current()).centre, width: imageOf(current()).width });
  show();
}

/** What the current series is best compared with: its other reconstruction, or the next series. */
function counterpart() {
  const wanted = { zero_filled: "cg_sense", cg_sense: "zero_filled" }[current().kind];
  const found = series.findIndex((stack, index) => stack.kind === wanted && index !== state.at);
  return found >= 0 ? found : (state.at + 1) % series.length;
}

function fillPresets() {
  const names = ["From the file", "Full range", ...Object.keys(PRESETS[current().unit] ?? {})];
  presets.replaceChildren(...names.map((name) => new Option(name, name)));
}

function applyPreset(name) {
  const picture = pictures[0];
  const named = PRESETS[current().unit]?.[name];
  if (named) Object.assign(view, { centre: named[0], width: named[1] });
  else if (name === "Full range" && picture) Object.assign(view, fullRange(picture.image, picture.values));
  else Object.assign(view, { centre: imageOf(current()).centre, width: imageOf(current()).width });
  repaint();
}

function scroll(steps) {
  const last = current().images.length - 1;
  const next = Math.max(0, Math.min(last, state.index + steps));
  if (next === state.index) return;
  state.index = next;
  slices.querySelector("input").value = next + 1;
  show();
}

function zoom(factor) {
  view.zoom = Math.max(0.25, Math.min(32, view.zoom * factor));
  repaint();
}

function drag(tool, dx, dy) {
  if (tool === "pan") {
    view.panX += dx * (view.layout === "side" ? 2 : 1);
    view.panY += dy;
  } else {
    // A full sweep across the stage is twice the file's own window, whatever the modality.
    const span = Math.max(imageOf(current()).width, 1e-6) * 2;
    view.width = Math.max(span / 2000, view.width + dx * span);
    view.centre += dy * span;
  }
  repaint();
}

function setLayout(layout) {
  if (series.length < 2) return;
  view.layout = layout;
  if (state.against === state.at) state.against = counterpart();
  other.querySelector("select").value = series[state.against].id;
  other.hidden = layout === "single";
  swipe.hidden = layout !== "swipe";
  press("[data-layout]", "layout", layout);
  show();
}

function setTool(tool) {
  state.tool = tool;
  press("[data-tool]", "tool", tool);
}

function press(selector, key, value) {
  for (const button of root.querySelectorAll(selector)) button.setAttribute("aria-pressed", String(button.dataset[key] === value));
}

function setSwipe(part) {
  view.swipe = Math.max(0, Math.min(1, part));
  swipe.querySelector("input").value = view.swipe * 100;
  repaint();
}

function hover(x, y) {
  const ratio = canvas.width / stage.clientWidth;
  const panes = panesOf(view.layout, canvas.width);
  const index = view.layout === "side" ? Number(x * ratio >= panes[1].left) : Number(view.layout === "swipe" && x > view.swipe * stage.clientWidth);
  const picture = pictures[index];
  const spot = picture && pixelAt(picture.image, panes[Math.min(index, panes.length - 1)], canvas.height, view, x * ratio, y * ratio);
  if (!spot) return (overlay("bottom-right").textContent = "");
  const value = picture.values[spot.row * picture.image.columns + spot.column] * picture.image.slope + picture.image.intercept;
  overlay("bottom-right").textContent = `${round(value)} ${picture.stack.unit}\ncolumn ${spot.column}, row ${spot.row}`;
}

const deeds = {
  play() {
    state.playing = state.playing ? clearInterval(state.playing) ?? 0 : setInterval(cine, CINE_MS);
    const button = root.querySelector("[data-do=play]");
    button.setAttribute("aria-pressed", String(Boolean(state.playing)));
    button.textContent = state.playing ? "Stop" : "Play";
  },
  invert() {
    state.inverted = !state.inverted;
    root.querySelector("[data-do=invert]").setAttribute("aria-pressed", String(state.inverted));
    repaint();
  },
  zoomIn: () => zoom(1.25),
  zoomOut: () => zoom(0.8),
  reset() {
    Object.assign(view, { zoom: 1, panX: 0, panY: 0, swipe: 0.5 });
    presets.value = "From the file";
    applyPreset("From the file");
  },
};

function cine() {
  const last = current().images.length - 1;
  scroll(state.index === last ? -last : 1);
}

function fit() {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(stage.clientWidth * ratio);
  canvas.height = Math.round(stage.clientHeight * ratio);
  repaint();
}

function sideways(by) {
  if (view.layout === "swipe") setSwipe(view.swipe + by * 0.02);
  else pickSeries(state.at + by);
}

root.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button || button.type === "submit") return;
  if (button.dataset.series) pickSeries(series.findIndex((stack) => stack.id === button.dataset.series));
  if (button.dataset.tool) setTool(button.dataset.tool);
  if (button.dataset.layout) setLayout(button.dataset.layout);
  if (button.dataset.do) deeds[button.dataset.do]();
});
presets.addEventListener("change", () => applyPreset(presets.value));
other.querySelector("select").addEventListener("change", (event) => {
  state.against = series.findIndex((stack) => stack.id === event.target.value);
  show();
});
swipe.querySelector("input").addEventListener("input", (event) => setSwipe(event.target.value / 100));
slices.querySelector("input").addEventListener("input", (event) => scroll(event.target.value - 1 - state.index));
divider.addEventListener("pointerdown", (event) => divider.setPointerCapture(event.pointerId));
divider.addEventListener("pointermove", (event) => {
  if (!divider.hasPointerCapture(event.pointerId)) return;
  const box = stage.getBoundingClientRect();
  setSwipe((event.clientX - box.left) / box.width);
});
listen(stage, () => state.tool, { drag, zoom, scroll, hover, reset: deeds.reset });
new ResizeObserver(fit).observe(stage);

const keys = { ArrowUp: () => scroll(-1), ArrowDown: () => scroll(1), ArrowLeft: () => sideways(-1), ArrowRight: () => sideways(1),
  PageUp: () => scroll(-10), PageDown: () => scroll(10), w: () => setTool("window"), p: () => setTool("pan"), s: () => setTool("scroll"),
  1: () => setLayout("single"), 2: () => setLayout("side"), 3: () => setLayout("swipe"), "+": deeds.zoomIn, "=": deeds.zoomIn, "-": deeds.zoomOut,
  c: () => root.querySelector("[data-do=play]").click(), i: deeds.invert, r: deeds.reset };
for (const [key, action] of Object.entries(keys)) shortcut(key, action);

const compared = series.findIndex((stack) => stack.kind === "zero_filled");
state.index = Math.floor(series[Math.max(compared, 0)].images.length / 2); // the middle of the stack says most at a glance
pickSeries(Math.max(compared, 0));
if (compared >= 0 && counterpart() !== state.at) setLayout("swipe");
root.dataset.ready = "yes";
