// One patient's twin: live values, strips, ECG and panels over one socket.

import { reportShown } from "./alert-shown.js";
import { shortcut } from "./keyboard.js";
import { Live } from "./live.js";
import { announceAlert } from "./live-announce.js";
import { every, now, tellTimes } from "./live-clock.js";
import { EcgSweep } from "./ecg.js";
import { openEvidence } from "./evidence.js";
import { Strips } from "./strip.js";
import { refreshTiles, showReading } from "./tile.js";

const PAGE = "#patient";
const STRIPS = "#strips";
const WORDS = "#strips-words";
const ECG = "#ecg";
const ECG_PROOF = "#ecg-evidence";
const HOURS = "[data-hours]";
const PANEL = "[data-panel]";
const LATE_DEFAULT_S = 30;
const PANEL_AT_MOST_EVERY_MS = 3000;

const page = document.querySelector(PAGE);
const data = (id) => JSON.parse(document.getElementById(id).textContent);
const specs = data("strip-specs");
const keys = data("strip-keys");
const lateAfter = new Map(specs.flatMap((spec) => [[spec.key, spec.fresh_for_s], [spec.with, spec.fresh_for_s]]));

const canvas = document.querySelector(STRIPS);
const strips = canvas && new Strips(canvas, specs, load, (words) => (document.querySelector(WORDS).textContent = words), ask);
const ecgCanvas = document.querySelector(ECG);
const ecgProof = document.querySelector(ECG_PROOF);
const ecg = ecgCanvas && new EcgSweep(ecgCanvas, document.querySelector("#ecg-words"));

/** Open what proves the point of a chart: the nearest reading, or ahead of now what the forecast was made from. */
function ask(metric, t) {
  const ahead = t > now() && strips.prediction?.metric === metric;
  const near = new URLSearchParams({ metric, t: t.toFixed(3) });
  openEvidence(ahead ? page.dataset.forecastEvidence : `${page.dataset.nearEvidence}?${near}`);
}

/** Lead the link beside the ECG, and a click into it, to what proves the block that is drawn there. */
const waveformEvidence = (block) => `/evidence/waveform/${block.device}/${block.seq}/`;
function takeBlock(block) {
  if (block.metric !== "ecg" || !ecg) return;
  ecg.add(block);
  ecgProof.hidden = false;
  ecgProof.href = waveformEvidence(ecg.blockAt() ?? block);
}
ecgCanvas?.addEventListener("click", (event) => {
  const block = ecg.blockAt(event.offsetX / ecgCanvas.clientWidth);
  if (block) openEvidence(waveformEvidence(block));
});

/** Fetch series and alarms of a window; live readings that came meanwhile are kept. */
async function load(from, to) {
  const query = new URLSearchParams({ keys: keys.join(","), from: (from - (to - from) * 0.05).toFixed(3), to: Math.max(to, now() + 1).toFixed(3) });
  try {
    const response = await fetch(`${page.dataset.history}?${query}`);
    if (!response.ok) throw new Error(String(response.status));
    const history = await response.json();
    for (const [key, points] of Object.entries(history.series)) {
      const last = points.at(-1)?.[0] ?? 0;
      const newer = (strips.series.get(key) ?? []).filter((point) => point.t > last);
      strips.put(key, [...points.map(([t, v, late]) => ({ t, v, late: Boolean(late) })), ...newer], history.bucket_s);
    }
    strips.alarms = history.alarms;
    strips.prediction = history.prediction;
  } catch {
    strips.state = "error";
  }
  strips.dirty();
}

function take(delta) {
  for (const reading of delta.readings) {
    showReading(page, reading);
    if (!strips || !keys.includes(reading.metric)) continue;
    const late = reading.received - reading.t > (lateAfter.get(reading.metric) ?? LATE_DEFAULT_S);
    strips.push(reading.metric, { t: reading.t, v: reading.value, late });
  }
}

const waiting = new Map();
/** Ask a panel to fetch itself again, at most every few seconds however often it is told. */
function refreshPanel(name) {
  if (waiting.has(name)) return;
  waiting.set(name, setTimeout(() => waiting.delete(name) && trigger(name), 150));
}

function trigger(name) {
  const panel = document.querySelector(`[data-panel="${CSS.escape(name)}"]`);
  if (panel && !panel.contains(document.activeElement?.closest("form, input, select, textarea"))) htmx.trigger(panel, "refresh");
  else if (panel) setTimeout(() => refreshPanel(name), PANEL_AT_MOST_EVERY_MS); // never pull a form from under a hand
}

function reload() {
  if (strips) strips.ask();
}

const live = new Live(`/ws/patient/${page.dataset.patient}/`, data("cursors"))
  .on("delta", take)
  .on("waveform", takeBlock)
  .on("alert", (alert) => {
    announceAlert(alert, page.dataset.name);
    ["alerts", "timeline"].forEach(refreshPanel);
    reload();
  })
  .on("notice", (notice) => (notice.panel === "prediction" ? reload() : [notice.panel, "timeline"].forEach(refreshPanel)))
  .on("reconnected", () => {
    document.querySelectorAll(PANEL).forEach((panel) => refreshPanel(panel.dataset.panel));
    reload();
  })
  .start();

for (const button of document.querySelectorAll(HOURS)) {
  button.addEventListener("click", () => {
    document.querySelectorAll(HOURS).forEach((b) => b.setAttribute("aria-pressed", String(b === button)));
    strips.follow(Number(button.dataset.hours) * 3600);
  });
  if (button.dataset.hours.length === 1) shortcut(button.dataset.hours, () => button.click());
}

document.body.addEventListener("htmx:afterSwap", (event) => tellTimes(event.target));
reportShown(live);
// An answer that did not come is said, with a way to try again; the old content never poses as new.
for (const failure of ["htmx:responseError", "htmx:sendError"]) {
  document.body.addEventListener(failure, (event) => {
    const panel = event.target.closest(PANEL);
    if (!panel) return;
    const retry = Object.assign(document.createElement("button"), { type: "button", textContent: "Try again" });
    retry.addEventListener("click", () => htmx.trigger(panel, "refresh"));
    const words = Object.assign(document.createElement("p"), { textContent: "This could not be loaded." });
    words.className = "muted";
    panel.replaceChildren(words, retry);
  });
}

every(1, () => {
  refreshTiles(page);
  tellTimes();
  strips?.dirty();
});
every(30, () => refreshPanel("devices"));
if (strips) load(strips.view.from, strips.view.to);
