// Says things to a screen reader: a high alarm interrupts, everything else waits for a pause.

const NOW = "#announce-now";
const SOON = "#announce-soon";

/** Announce `text`; priority "high" interrupts. */
export function announce(text, priority = "low") {
  const region = document.querySelector(priority === "high" ? NOW : SOON);
  const line = document.createElement("p");
  line.textContent = text;
  region.append(line); // appended, not replaced: two alarms in one second are both read
  setTimeout(() => line.remove(), 20_000);
}

const known = new Map(); // alert id -> state last said

/** Announce an alert message once per state: the server repeats what nobody has seen, people need not hear it twice. */
export function announceAlert(alert, name) {
  if (known.get(alert.id) === alert.state) return;
  known.set(alert.id, alert.state);
  announce(alertSentence(alert, name), alert.state === "open" ? alert.priority : "low");
}

/** The sentence for one alert message. */
function alertSentence(alert, name) {
  if (alert.state === "open") return `${alert.priority} alarm. ${name}: ${alert.message}`;
  if (alert.state === "acknowledged") return `${name}: acknowledged by ${alert.acknowledged_by ?? "someone"}`;
  return `${name}: ${alert.message}, ${alert.state}`;
}
