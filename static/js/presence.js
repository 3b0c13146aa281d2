// Somebody is here: tells the server when the page is touched, warns before the person counts as away, and then asks who
// it is. A ward board goes on without them; there the warning is one quiet line.

const ROOT = document.documentElement;
const HERE = document.querySelector("[data-presence]");
const WARNING = document.querySelector("#away-soon");
const LEFT = "[data-seconds-left]";
const STAY = "[data-stay]";
const GONE = document.querySelector("#away-now");
const TELL_EVERY_MS = 60_000;
const WARN_BEFORE_MS = 60_000;
const TOUCHES = ["pointerdown", "keydown", "wheel", "touchmove"];
const SHARED = "medtwin-touched"; // other windows of this browser are the same person

const idleMs = Number(HERE.dataset.idleS) * 1000;
const stays = HERE.dataset.stays === "yes";
let touched = Date.now();
let told = touched;
let away = HERE.dataset.away === "yes";

function shared() {
  try {
    return Number(localStorage.getItem(SHARED)) || 0;
  } catch {
    return 0; // storage may be switched off: then each window counts for itself
  }
}

function touch() {
  if (away || ROOT.querySelector("dialog[open]") === WARNING) return;
  touched = Date.now();
  if (touched - told >= Math.min(TELL_EVERY_MS, idleMs / 4)) tell();
}

async function tell() {
  told = Date.now();
  try {
    localStorage.setItem(SHARED, String(told));
  } catch {
    // this window alone knows
  }
  const headers = { ...JSON.parse(document.body.getAttribute("hx-headers")), "HX-Request": "true" };
  const answer = await fetch(HERE.dataset.presence, { method: "POST", headers }).catch(() => null);
  if (answer?.headers.has("HX-Refresh")) location.reload(); // this page is older than the sign-in of another tab
  else if (answer && !answer.ok) leave(); // no answer at all is a lost line, of which the page tells already
}

function leave() {
  if (away) return; // already on the way: asking again each second would start a slow journey over each second
  away = true;
  if (stays) {
    GONE.hidden = false;
    return;
  }
  location.assign(`${HERE.dataset.prove}?next=${encodeURIComponent(location.pathname + location.search)}`);
}

function look() {
  touched = Math.max(touched, shared());
  const left = idleMs - (Date.now() - touched);
  if (away) return;
  if (left <= 0) return leave();
  if (left > WARN_BEFORE_MS || stays) return WARNING.open && WARNING.close();
  WARNING.querySelector(LEFT).textContent = String(Math.ceil(left / 1000));
  if (!WARNING.open) WARNING.showModal();
}

WARNING.querySelector(STAY).addEventListener("click", () => {
  WARNING.close();
  touched = Date.now();
  tell();
});
for (const kind of TOUCHES) addEventListener(kind, touch, { passive: true });
GONE.hidden = !away;
setInterval(look, 1000);
