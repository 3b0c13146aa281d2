/** The what-if studio: sliders in, two simulated futures out. A newer question always replaces an older one. */

import { clockText, zoneOf } from "./live-clock.js";
import { drawFuture, topOf } from "./whatif-draw.js";

const STUDIO = "#studio";
const KNOBS = "#knobs";
const TROUBLE = "#trouble";
const DIFFERENCES = "#differences";
const GROUNDS = "#grounds";
const WAIT_MS = 90; // a hand that moves a slider asks about ten times a second otherwise
const AGAIN_MS = 60_000; // the present moves on

const studio = document.querySelector(STUDIO);
const form = document.querySelector(KNOBS);
const trouble = document.querySelector(TROUBLE);
const token = JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"];
let answer = null;
let asking = null;
let timer = null;

function scenario() {
  return Object.fromEntries([...form.querySelectorAll("input")].map((input) => [input.name, Number(input.value)]));
}

function showKnobs() {
  for (const output of form.querySelectorAll("output")) output.value = `${form.elements[output.htmlFor.value].value} ${output.dataset.unit}`;
}

async function ask() {
  asking?.abort();
  asking = new AbortController();
  studio.dataset.busy = "";
  const { signal } = asking;
  try {
    const headers = { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": token };
    const response = await fetch(studio.dataset.run, { method: "POST", headers, body: JSON.stringify(scenario()), signal });
    const body = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(body.message ?? "The simulation could not be asked. Are you still signed in?");
    answer = body;
    show();
  } catch (error) {
    if (error.name === "AbortError") return;
    trouble.textContent = error instanceof TypeError ? "The server cannot be reached. The picture shown is the last one." : error.message;
    trouble.hidden = false;
  }
  delete studio.dataset.busy;
}

function askSoon() {
  showKnobs();
  clearTimeout(timer);
  timer = setTimeout(ask, WAIT_MS);
}

function show() {
  trouble.hidden = true;
  draw();
  for (const which of ["now", "changed"]) showOutcome(which, answer[which]);
  document.querySelector("#words-changed").textContent = answer.changed.words === "as now" ? "move a slider below" : answer.changed.words;
  const found = answer.differences.length ? answer.differences : ["no difference worth naming"];
  document.querySelector(DIFFERENCES).replaceChildren(...found.map((words) => element("li", words, answer.differences.length ? "" : "muted")));
  const at = clockText(answer.at, zoneOf(studio));
  document.querySelector(GROUNDS).textContent =
    `From the sensor's value of ${at} with ${answer.insulin_on_board_u} U insulin on board (estimated); ${answer.members} simulated bodies in ${Math.round(answer.took_ms)} ms.`;
}

function showOutcome(which, future) {
  const rows = [
    ["Below 70", future.minutes_below_70, "min"],
    ["Above 180", future.minutes_above_180, "min"],
    ["Chance below 70", Math.round(future.chance_below_70 * 100), "%"],
    ["Lowest", future.lowest, "mg/dL"],
  ];
  const pairs = rows.map(([label, value, unit]) => {
    const pair = element("div");
    const number = element("dd", `${value} `);
    number.append(element("span", unit, "unit"));
    pair.append(element("dt", label), number);
    return pair;
  });
  document.querySelector(`#outcome-${which}`).replaceChildren(...pairs);
  const chart = document.querySelector(`#chart-${which}`);
  chart.setAttribute("aria-label", `Simulated glucose, ${future.words}: lowest ${future.lowest}, highest ${future.highest} mg/dL`);
}

function element(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function draw() {
  const top = answer ? topOf(answer.now, answer.changed) : 250;
  for (const which of ["now", "changed"]) {
    drawFuture(document.querySelector(`#chart-${which}`), answer?.[which] ?? null, answer?.past ?? [], top);
  }
}

form.addEventListener("input", askSoon);
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(askSoon));
addEventListener("resize", draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
setInterval(() => document.hidden || ask(), AGAIN_MS);
showKnobs();
draw();
ask();
