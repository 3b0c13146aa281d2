// The worklist: fetches its rows again while studies are on the way; search and filter stay in the page, because a patient's
// name must not reach a URL.

const LIST = "#worklist";
const ROW = "tr[data-study]";
const SEARCH = "[data-search]";
const FILTER = "[data-filter]";
const NONE = "#none-match";
const SOON_MS = 2000;
const LATER_MS = 10000;

const list = document.querySelector(LIST);
const search = document.querySelector(SEARCH);
let filter = "all";

function applyFilter() {
  const words = search.value.trim().toLowerCase();
  let shown = 0;
  const rows = [...list.querySelectorAll(ROW)];
  for (const row of rows) {
    const fits = (filter === "all" || row.dataset.state === filter) && row.textContent.toLowerCase().includes(words);
    row.hidden = !fits;
    shown += fits;
  }
  document.querySelector(NONE).hidden = shown > 0 || rows.length === 0;
}

function replaceRows(html) {
  const focused = document.activeElement?.closest(ROW)?.dataset.study;
  list.innerHTML = html;
  applyFilter();
  if (focused) list.querySelector(`[data-study="${CSS.escape(focused)}"] a`)?.focus({ preventScroll: true });
}

async function refresh() {
  try {
    const response = await fetch(location.pathname, { headers: { "X-Medtwin-Part": "rows" } });
    if (response.ok && !document.hidden) replaceRows(await response.text());
  } catch {
    // The server is away: what is shown stays, and the next round asks again.
  }
  plan();
}

function plan() {
  const hurry = list.querySelector('[data-unfinished="yes"]') !== null;
  setTimeout(refresh, hurry ? SOON_MS : LATER_MS);
}

search.addEventListener("input", applyFilter);
for (const button of document.querySelectorAll(FILTER)) {
  button.addEventListener("click", () => {
    filter = button.dataset.filter;
    for (const other of document.querySelectorAll(FILTER)) other.setAttribute("aria-pressed", String(other === button));
    applyFilter();
  });
}
plan();
