// The filters of an analytics page live in its URL: a choice changes the URL, and Dash's Location reads it from there.
// A click on a bar opens the rows behind it; the table under each figure does the same for keyboards and screen readers.

import { openEvidence } from "./evidence.js";

const PLOT = ".figure .js-plotly-plot";
const TABLE = ".figure-table";
const MOST_ROWS = 200;

const form = document.querySelector("#filters");

function show(query) {
  for (const select of form.elements) {
    if (select instanceof HTMLSelectElement) select.value = query.get(select.name) ?? select.options[0].value;
  }
}

form.addEventListener("change", () => {
  const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
  history.pushState(null, "", `${location.pathname}?${query}`);
  dispatchEvent(new PopStateEvent("popstate")); // what dcc.Location listens to
});

form.addEventListener("submit", (event) => event.preventDefault());

addEventListener("popstate", () => {
  const query = new URLSearchParams(location.search);
  if (!query.has("period")) query.set("period", form.dataset.period);
  show(query);
});

const bound = new WeakSet();
/** Listen to every figure once; Dash draws them when it likes. */
function bind() {
  for (const plot of document.querySelectorAll(PLOT)) {
    if (bound.has(plot) || !plot.on) continue;
    bound.add(plot);
    plot.on("plotly_click", ({ points: [point] }) => {
      const url = point?.data.meta?.evidence?.[point.pointIndex];
      if (url) openEvidence(url);
    });
    plot.on("plotly_afterplot", () => tabulate(plot));
    tabulate(plot);
  }
}

/** Write a figure as a table: a row for each bar, or for each time with a column for each series. */
function tabulate(plot) {
  const traces = (plot.data ?? []).filter((trace) => trace.type === "bar");
  const place = plot.closest("section")?.querySelector(TABLE);
  if (!place) return;
  place.closest("details").hidden = !traces.length;
  if (!traces.length) return;
  const [first] = traces;
  const sideways = first.orientation === "h";
  const rows = [...first.x.keys()].filter((i) => sideways || traces.some((trace) => trace.y[i]));
  const table = document.createElement("table");
  if (!sideways) line(table.createTHead(), ["Time, UTC", ...traces.map((trace) => trace.name)], "th");
  const body = table.createTBody();
  for (const i of sideways ? rows : rows.reverse().slice(0, MOST_ROWS)) {
    const name = sideways ? first.customdata[i] : String(first.x[i]).replace("T", " ").slice(0, 16);
    const values = sideways ? [first.text[i]] : traces.map((trace) => Number(trace.y[i].toPrecision(4)).toLocaleString("en-GB"));
    line(body, [name, ...values], "td", first.meta?.evidence?.[i]);
  }
  place.replaceChildren(table);
}

function line(part, texts, tag, url) {
  const row = part.insertRow();
  texts.forEach((text, column) => {
    const cell = document.createElement(tag);
    if (column) cell.className = "number";
    if (column && url) {
      const link = Object.assign(document.createElement("a"), { href: url, textContent: text, className: "plain" });
      link.dataset.evidence = link.dataset.number = "";
      cell.append(link);
    } else cell.textContent = text;
    row.append(cell);
  });
}

new MutationObserver(bind).observe(document.querySelector("main"), { childList: true, subtree: true });
bind();
