// Single-key shortcuts. Off while typing, off with a modifier, and off altogether for people who say so (WCAG 2.1.4).

const DIALOG = "#shortcuts";
const SEARCH = "[data-search]";
const ROW = "[data-row]:not([hidden])";
const ROW_FOCUS = "[data-row-focus]";
const ACKNOWLEDGE = "[data-acknowledge]";
const ALARM_PANEL = '[data-panel="alerts"]';
const SWITCH = "#shortcuts-on";
const KEY = "medtwin-shortcuts";

const actions = {
  "?": () => document.querySelector(DIALOG).showModal(),
  "/": () => document.querySelector(SEARCH)?.focus(),
  j: () => step(1),
  k: () => step(-1),
  a: acknowledge,
};

/** Add a shortcut of one page. */
export function shortcut(key, action) {
  actions[key] = action;
}

function step(by) {
  const rows = [...document.querySelectorAll(ROW)];
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + by, 0), rows.length - 1)];
  next?.querySelector(ROW_FOCUS)?.focus();
}

/** Acknowledge in the row that has the focus, or the first alarm of one patient's page; never a row nobody chose. */
function acknowledge() {
  const row = document.activeElement?.closest("[data-row]");
  const scope = row ?? document.querySelector(ALARM_PANEL);
  scope?.querySelector(ACKNOWLEDGE)?.click();
}

function switchedOn() {
  try {
    return localStorage.getItem(KEY) !== "off";
  } catch {
    return true;
  }
}

function typing(target) {
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

document.addEventListener("keydown", (event) => {
  const action = actions[event.key];
  if (!action || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (document.querySelector("dialog[open]") || (event.key !== "?" && !switchedOn())) return;
  event.preventDefault();
  action();
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-shortcuts]")) document.querySelector(DIALOG).showModal();
});

const toggle = document.querySelector(SWITCH);
if (toggle) {
  toggle.checked = switchedOn();
  toggle.addEventListener("change", () => {
    try {
      localStorage.setItem(KEY, toggle.checked ? "on" : "off");
    } catch {
      toggle.checked = true; // cannot be kept, so it must not look kept
    }
  });
}
