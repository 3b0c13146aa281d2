// The server's clock and words for time. A laptop whose clock is wrong must not make an old value look fresh.

let offset = 0; // server minus browser, seconds

/** Adopt the server's clock; called with every hello. */
export function setServerTime(serverTime) {
  offset = serverTime - Date.now() / 1000;
}

/** Seconds since the Unix epoch, by the server's clock. */
export function now() {
  return Date.now() / 1000 + offset;
}

/** "just now", "12 s ago", "4 min ago", "2 h ago", "3 d ago". */
export function ageText(seconds) {
  if (seconds < 3) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

/** Where times are told for `element`: the patient's time zone that its page or card names, else the reader's own. */
export function zoneOf(element) {
  return element.closest("[data-zone]")?.dataset.zone;
}

const clocks = new Map(); // making a format is slow, and charts ask sixty times a second

/** Hours and minutes of the day, 24 h, in `zone` or where the reader is. */
export function clockText(t, zone, withSeconds = false) {
  const key = `${zone} ${withSeconds}`;
  if (!clocks.has(key)) {
    const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone };
    if (withSeconds) options.second = "2-digit";
    clocks.set(key, new Intl.DateTimeFormat("en-GB", options));
  }
  return clocks.get(key).format(t * 1000);
}

/** A value with the digits of its metric; a true minus sign. */
export function valueText(value, decimals) {
  return value.toFixed(decimals).replace("-", "\u2212");
}

/** Run now and then every `seconds` while the page is visible. */
export function every(seconds, task) {
  task();
  setInterval(() => document.hidden || task(), seconds * 1000);
  document.addEventListener("visibilitychange", () => document.hidden || task());
}

/** Make the text of every `[data-age]` (its value is a time) and every `[data-clock]` element true. */
export function tellTimes(scope = document) {
  for (const element of scope.querySelectorAll("[data-age]")) {
    const text = ageText(now() - Number(element.dataset.age));
    if (element.textContent !== text) element.textContent = text;
  }
  for (const element of scope.querySelectorAll("[data-clock]")) {
    const text = clockText(Number(element.dataset.clock), zoneOf(element));
    if (element.textContent !== text) element.textContent = text;
  }
}
