// The ward board: rows stay true and in order of urgency without taking the focus or the mouse's target away.

import { reportShown } from "./alert-shown.js";
import { Live } from "./live.js";
import { announce, announceAlert } from "./live-announce.js";
import { every, now, tellTimes } from "./live-clock.js";
import { drawSpark } from "./spark.js";
import { refreshTiles, showReading } from "./tile.js";

const BOARD = "#board";
const ROWS = "#rows";
const ROW = "[data-row]";
const STRIP = "#strip";
const NO_MATCH = "#no-match";
const SEARCH = "[data-search]";
const FILTER = "[data-filter]";
const SETTLE_MS = 400; // alarms come in groups: one request for all of them
const SPARK_EVERY_S = 15;
const ADMIT_EVERY_MS = 60_000;
const AT_ONCE = 20; // patients a request
const LOOK_MS = 60; // while somebody scrolls fast, rows fly past
const CALM_S = 4; // rows do not move while a hand is about to click

const ON_BOARD = new Set(["alerts", "medication", "devices"]); // panels whose news change a row

const board = document.querySelector(BOARD);
const sparks = new Map(); // patient -> metric -> [[t, value]]
const wanted = { whole: new Set(), sparks: new Set() }; // patients in view of whom the page lacks something
const stale = new Set(); // patients whose row is to be fetched again
let filter = "all";
let busyUntil = 0;

const rows = () => [...board.querySelectorAll(ROW)];
const rowOf = (patient) => board.querySelector(`${ROW}[data-patient="${CSS.escape(patient)}"]`);

async function fragment(url) {
  const response = await fetch(url, { headers: { "HX-Request": "true" } });
  if (!response.ok) throw new Error(`${response.status} for ${url}`);
  return response.text();
}

function adopt(element, html) {
  const focus = focusIn(element);
  const fresh = document.createRange().createContextualFragment(html).firstElementChild;
  element.replaceWith(fresh);
  htmx.process(fresh);
  restoreFocus(fresh, focus);
  return fresh;
}

function focusIn(element) {
  const active = document.activeElement;
  if (!element.contains(active)) return null;
  if (active.matches("[data-acknowledge]")) return "[data-acknowledge]";
  const tile = active.closest("[data-tile]");
  return tile ? `[data-metric="${tile.dataset.metric}"] [data-evidence]` : "[data-row-focus]";
}

function restoreFocus(element, selector) {
  if (!selector) return;
  (element.querySelector(selector) ?? element.querySelector("[data-row-focus]"))?.focus({ preventScroll: true });
}

async function fetchStale() {
  const patients = [...stale];
  stale.clear();
  try {
    await Promise.all([
      ...patients.map(async (patient) => {
        const html = await fragment(`/ward/rows/${patient}/`);
        const row = rowOf(patient);
        if (row) dress(adopt(row, html));
      }),
      fragment("/ward/strip/").then((html) => (document.querySelector(STRIP).innerHTML = html)),
    ]);
  } catch {
    return; // the connection is gone; the whole board is fetched when it is back
  }
  sift();
  sort();
}

let settling;
function refresh(patient) {
  if (patient && rowOf(patient)) stale.add(patient);
  clearTimeout(settling);
  settling = setTimeout(fetchStale, SETTLE_MS);
}

async function fetchBoard() {
  const row = document.activeElement?.closest(ROW);
  const [focused, place] = [row?.dataset.patient, row && focusIn(row)];
  try {
    board.innerHTML = await fragment("/ward/rows/");
    sparks.clear(); // a gap may lie in them
  } catch {
    return;
  }
  htmx.process(board);
  rows().forEach(dress);
  sift();
  if (focused && rowOf(focused)) restoreFocus(rowOf(focused), place);
}

/** Take in patients who came into the reader's care and let those go who left it; rows that stay are not touched. */
async function admit() {
  let html;
  try {
    html = await fragment("/ward/rows/");
  } catch {
    return;
  }
  const served = [...document.createRange().createContextualFragment(html).querySelectorAll(ROW)];
  const patients = new Set(served.map((row) => row.dataset.patient));
  const gone = rows().filter((row) => !patients.has(row.dataset.patient));
  const fresh = served.filter((row) => !rowOf(row.dataset.patient));
  const strip = document.createRange().createContextualFragment(html).querySelector(STRIP);
  if (strip) document.querySelector(STRIP).replaceChildren(...strip.childNodes); // a gateway may have gone without an alarm
  tellTimes();
  gone.forEach((row) => row.remove());
  fresh.forEach((row) => {
    document.querySelector(ROWS).append(row);
    htmx.process(row);
    dress(row);
  });
  if (!gone.length && !fresh.length) return;
  sift();
  sort();
}

/** Draw what the server leaves to the page: sparklines, ages, local clock times. */
function dress(row) {
  refreshTiles(row);
  drawSparks(row);
  tellTimes(row);
  view.observe(row);
  // One beat for all: alarms that blink out of step are noise.
  for (const badge of row.querySelectorAll(".alarming")) for (const beat of badge.getAnimations()) beat.startTime = 0;
}

function drawSparks(row) {
  const series = sparks.get(row.dataset.patient);
  for (const tile of row.querySelectorAll("[data-tile]")) {
    const svg = tile.querySelector("[data-spark]");
    if (svg) drawSpark(svg, series?.[tile.dataset.metric] ?? [], Math.max(Number(tile.dataset.fresh), 300));
  }
}

const naming = (patients) => patients.map((patient) => `patient=${patient}`).join("&");

async function loadSparks(patients) {
  const response = await fetch(`/ward/sparks/?${naming(patients)}`);
  if (!response.ok) return;
  for (const [patient, series] of Object.entries(await response.json())) {
    sparks.set(patient, series);
    const row = rowOf(patient);
    if (row) drawSparks(row);
  }
}

async function loadWhole(patients) {
  const html = await fragment(`/ward/whole/?${naming(patients)}`);
  for (const fresh of document.createRange().createContextualFragment(html).querySelectorAll(ROW)) {
    const row = rowOf(fresh.dataset.patient);
    if (row) dress(adopt(row, fresh.outerHTML));
  }
  sift();
}

/** Fetch what is missing in what the reader looks at, some patients at a time. */
async function fetchWanted() {
  for (const [patients, load] of [[wanted.whole, loadWhole], [wanted.sparks, loadSparks]]) {
    while (patients.size) {
      const some = [...patients].slice(0, AT_ONCE);
      some.forEach((patient) => patients.delete(patient));
      await load(some).catch(() => {}); // the connection is gone; the whole board is fetched when it is back
    }
  }
}

let looking;
const view = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      if ("brief" in target.dataset) wanted.whole.add(target.dataset.patient);
      if (sparks.has(target.dataset.patient)) continue;
      sparks.set(target.dataset.patient, {}); // asked for once
      wanted.sparks.add(target.dataset.patient);
    }
    clearTimeout(looking);
    looking = setTimeout(fetchWanted, LOOK_MS);
  },
  { rootMargin: "600px" },
);

function take(delta) {
  const row = rowOf(delta.patient);
  if (!row) return;
  for (const reading of delta.readings) {
    showReading(row, reading);
    remember(delta.patient, reading);
    const newest = row.querySelector("[data-newest]");
    if (newest && reading.t > Number(newest.dataset.age)) newest.dataset.age = reading.t;
    const silent = row.querySelector(`.dot.off[data-device="${reading.device}"]`);
    if (silent) silent.classList.remove("off"); // heard again; the row is fetched once for the words
    if (silent || !newest) refresh(delta.patient);
  }
}

/** Keep a thinned tail for the sparkline: a point every minute and a half is all that it can show. */
function remember(patient, { metric, t, value }) {
  const series = sparks.get(patient)?.[metric];
  if (!series) return;
  const last = series.at(-1);
  if (last && t <= last[0]) return;
  if (last && series.length > 1 && t - series.at(-2)[0] < 90) series[series.length - 1] = [t, value];
  else series.push([t, value]);
}

function sift() {
  const words = document.querySelector(SEARCH).value.trim().toLowerCase();
  let shown = 0;
  for (const row of rows()) {
    const fits = filter === "all" || (filter === "mine" ? "mine" in row.dataset : Number(row.dataset.rank) < 4);
    row.hidden = !(fits && row.dataset.find.includes(words));
    shown += !row.hidden;
  }
  document.querySelector(NO_MATCH).hidden = shown > 0 || !rows().length;
}

/** Put rows in order. Only rows that are out of place move, gliding; the focus stays on its row. */
function sort() {
  const wanted = rows().sort((a, b) => (a.dataset.order < b.dataset.order ? -1 : 1));
  if (wanted.every((row, i) => row === rows()[i])) return;
  if (now() < busyUntil) return void setTimeout(sort, 1000);
  const before = new Map(wanted.map((row) => [row, row.getBoundingClientRect().top]));
  const active = document.activeElement;
  const list = document.querySelector(ROWS);
  wanted.forEach((row, i) => {
    if (list.children[i] !== row) list.insertBefore(row, list.children[i]);
  });
  if (active !== document.activeElement && list.contains(active)) active.focus({ preventScroll: true });
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  for (const [row, top] of before) {
    const dy = top - row.getBoundingClientRect().top;
    if (dy) row.animate([{ transform: `translateY(${dy}px)` }, { transform: "none" }], { duration: 300, easing: "ease-out" });
  }
}

const calm = () => (busyUntil = now() + CALM_S);
for (const sign of ["pointermove", "pointerdown", "keydown"]) board.addEventListener(sign, calm);
addEventListener("scroll", calm, { passive: true }); // a finger scrolls before it taps
board.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && (busyUntil = 0)); // a finger lifts and comes back
board.addEventListener("click", (event) => {
  const row = event.target.closest(ROW);
  if (row && !event.target.closest("a, button, form") && !String(getSelection())) row.querySelector("[data-row-focus]").click();
});
document.body.addEventListener("htmx:afterRequest", (event) => {
  const row = event.target.closest(ROW);
  if (!row) return;
  if (event.detail.successful) {
    stale.add(row.dataset.patient);
    return void fetchStale(); // at once: the answer to one's own click does not wait for others
  }
  announce(`Not acknowledged. ${row.dataset.name}'s alarm is still open.`, "high");
  row.querySelector("[data-failed]").hidden = false;
});
document.querySelector(SEARCH).addEventListener("input", sift);
document.querySelector(SEARCH).addEventListener("keydown", (event) => {
  if (event.key !== "Enter" && event.key !== "ArrowDown") return;
  board.querySelector(`${ROW}:not([hidden]) [data-row-focus]`)?.focus();
  event.preventDefault();
});
for (const button of document.querySelectorAll(FILTER)) {
  button.addEventListener("click", () => {
    filter = button.dataset.filter;
    document.querySelectorAll(FILTER).forEach((b) => b.setAttribute("aria-pressed", String(b === button)));
    sift();
  });
}

const live = new Live("/ws/ward/", JSON.parse(document.querySelector("#cursors").textContent))
  .on("delta", take)
  .on("alert", (alert) => {
    const row = rowOf(alert.patient);
    if (row) announceAlert(alert, row.dataset.name);
    refresh(alert.patient);
  })
  .on("notice", (notice) => ON_BOARD.has(notice.panel) && refresh(notice.patient))
  .on("reconnected", fetchBoard)
  .start();

reportShown(live, board);
rows().forEach(dress);
every(1, () => {
  refreshTiles(board);
  tellTimes();
});
every(SPARK_EVERY_S, () => rows().forEach(drawSparks));
setInterval(() => document.hidden || admit(), ADMIT_EVERY_MS);
