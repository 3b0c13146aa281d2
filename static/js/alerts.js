// The list of alerts and the page of one alert: stay true while others act.

import "./keyboard.js";
import { reportShown } from "./alert-shown.js";
import { Live } from "./live.js";
import { announceAlert } from "./live-announce.js";
import { every, tellTimes } from "./live-clock.js";

const KEPT_TRUE = "#alert-list, #alert-page";
const PATIENTS = "#alert-patient option";
const SETTLE_MS = 300; // alerts come in groups: one request for all of them

const nameOf = (patient) => document.querySelector(`${PATIENTS}[value="${CSS.escape(patient)}"]`)?.textContent ?? "A patient";

let settling;
/** Fetch the list or the alert again, but never from under a hand that is writing a reason. */
function refresh() {
  clearTimeout(settling);
  settling = setTimeout(() => {
    const part = document.querySelector(KEPT_TRUE);
    if (!part) return;
    if (part.querySelector("details[open] :focus")) refresh();
    else htmx.trigger(part, "refresh");
  }, SETTLE_MS);
}

const live = new Live("/ws/ward/")
  .on("alert", (alert) => {
    announceAlert(alert, nameOf(alert.patient));
    refresh();
  })
  .on("reconnected", refresh)
  .start();

reportShown(live);
every(1, () => tellTimes());
document.body.addEventListener("htmx:afterSwap", () => tellTimes());
