// The list of alerts and the page of one alert: stay true while others act.

import "./keyboard.js";
import { reportShown } from "./alert-shown.js";
import { Live } from "./live.js";
import { announce } from "./live-announce.js";
import { every, tellTimes } from "./live-clock.js";

const LIST = "#alert-list";
const SETTLE_MS = 300; // alerts come in groups: one request for all of them

let settling;
/** Fetch the list again, but never from under a hand that is writing a reason. */
function refresh() {
  clearTimeout(settling);
  settling = setTimeout(() => {
    const list = document.querySelector(LIST);
    if (!list) return;
    if (list.querySelector("details[open] :focus")) refresh();
    else htmx.trigger(list, "refresh");
  }, SETTLE_MS);
}

const live = new Live("/ws/ward/")
  .on("alert", (alert) => {
    if (alert.state === "open") announce(`${alert.priority} alarm: ${alert.message}`, alert.priority);
    refresh();
  })
  .on("reconnected", refresh)
  .start();

reportShown(live);
every(1, () => tellTimes());
document.body.addEventListener("htmx:afterSwap", () => tellTimes());
