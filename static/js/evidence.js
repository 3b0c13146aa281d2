// Evidence opens where a number stands: a link that carries [data-evidence] brings its panel into the page's one dialog.
// The dialog is not modal: behind a modal one, alarms would neither be seen nor announced. Escape closes it from anywhere,
// and the focus goes back to the number.

const LINK = "[data-evidence]";
const DIALOG = "#evidence";
const BODY = "#evidence-body";
const TITLE = "#evidence-title";

const dialog = document.querySelector(DIALOG);
const body = document.querySelector(BODY);
let asker = null; // where the focus was

/** Show the evidence at `url` over the page. */
export async function openEvidence(url) {
  say("Looking it up …");
  if (!dialog.open) {
    asker = document.activeElement;
    dialog.show();
  }
  await htmx.ajax("GET", url, { target: BODY, swap: "innerHTML" });
}

function say(words) {
  const line = document.createElement("p");
  line.className = "muted";
  line.textContent = words;
  body.replaceChildren(line);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.(LINK);
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  event.stopPropagation();
  if (link.href) openEvidence(link.href);
}, true); // before a card that is itself a link hears of it

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !dialog.open || document.querySelector("dialog[open]:modal")) return;
  event.preventDefault();
  dialog.close();
});
dialog.addEventListener("close", () => {
  // The panel that held it may have been fetched anew meanwhile: its successor leads to the same evidence.
  const href = asker?.getAttribute("href");
  const now = asker?.isConnected || !href ? asker : document.querySelector(`${LINK}[href="${CSS.escape(href)}"]`);
  if (now?.isConnected) now.focus({ preventScroll: true });
});
body.addEventListener("htmx:afterSwap", () => dialog.querySelector(TITLE)?.focus());
for (const failure of ["htmx:responseError", "htmx:sendError"]) {
  body.addEventListener(failure, (event) => {
    const gone = event.detail.xhr?.status === 404;
    say(gone ? "No evidence is stored for this." : "The evidence could not be loaded. Close this and try again.");
  });
}
