// A socket to the twin that comes back by itself and misses nothing: it remembers, per device, the highest sequence number
// this page has seen, and tells the server with every (re)connect; the server replays the rest.

import { clockText, now, setServerTime } from "./live-clock.js";

const STATE = "#connection";
const LOST = "#connection-lost";
const MAIN = "#main";
const LANE = 2 ** 48; // numbers that one gateway may give
const LANES = 4;
const TELL_LOST_MS = 8000; // a short hiccup is not worth a sentence
const WAIT_FIRST_MS = 500;
const WAIT_MOST_MS = 8000;
const NOT_ALLOWED = new Set([4401, 4403, 4404]);

export class Live {
  /**
   * @param {string} path such as "/ws/ward/"
   * @param {Record<string, number>} cursors highest sequence number per stream of a device on the page as served
   */
  constructor(path, cursors = {}) {
    this.path = path;
    this.cursors = { ...cursors };
    this.listeners = new Map();
    this.wait = WAIT_FIRST_MS;
    this.connections = 0;
    this.lostAt = null;
    this.stopped = false;
  }

  /** Call `listener(message)` for every message of `type`; also "reconnected" and "state". */
  on(type, listener) {
    this.listeners.set(type, [...(this.listeners.get(type) ?? []), listener]);
    return this;
  }

  start() {
    addEventListener("online", () => this.retryNow());
    addEventListener("offline", () => this.socket?.close());
    addEventListener("pagehide", () => this.stop());
    addEventListener("pageshow", (event) => event.persisted && location.reload());
    this.connect();
    return this;
  }

  stop() {
    this.stopped = true;
    this.socket?.close();
  }

  retryNow() {
    if (this.stopped || this.socket?.readyState === WebSocket.OPEN) return;
    clearTimeout(this.timer);
    this.connect();
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}${this.path}`);
    this.socket = socket;
    this.show("waiting");
    socket.addEventListener("open", () => {
      socket.send(JSON.stringify({ type: "resume", cursors: this.cursors }));
    });
    socket.addEventListener("message", (event) => this.receive(JSON.parse(event.data)));
    socket.addEventListener("close", (event) => socket === this.socket && this.closed(event));
  }

  receive(message) {
    if (message.type === "hello") {
      setServerTime(message.server_time);
      this.wait = WAIT_FIRST_MS;
      this.lostAt = null;
      clearTimeout(this.telling);
      this.telling = null;
      document.querySelector(LOST).hidden = true;
      this.show("live");
      if (this.connections++) this.emit("reconnected", message);
    }
    if (message.type === "delta") message.readings.forEach((r) => this.remember(r.device, r.seq));
    if (message.type === "mark") this.socket.send(JSON.stringify({ type: "mark", n: message.n })); // read up to here
    if (message.type === "revoked") this.end(message.reason);
    this.emit(message.type, message);
  }

  /** Each gateway numbers what it hears of a device apart from the others: devices/telemetry/lanes.py. */
  remember(device, seq) {
    const lane = Math.floor(seq / LANE);
    const stream = device + (lane < LANES ? lane : 0) * 2 ** 32;
    this.cursors[stream] = Math.max(this.cursors[stream] ?? 0, seq);
  }

  closed(event) {
    if (this.stopped) return;
    this.lostAt ??= now();
    if (NOT_ALLOWED.has(event.code)) return this.end("You are signed out, or this is no longer yours to see");
    this.show("lost");
    this.telling ??= setTimeout(() => this.tellLost(), TELL_LOST_MS);
    const jitter = 0.5 + Math.random() / 2; // a ward of browsers must not come back in one breath
    this.timer = setTimeout(() => this.connect(), this.wait * jitter);
    this.wait = Math.min(this.wait * 2, WAIT_MOST_MS);
  }

  /** Say what a lost connection means for whoever looks at the page. */
  tellLost() {
    const element = document.querySelector(LOST);
    element.textContent = `No connection since ${clockText(this.lostAt)}. New alarms do not reach this page until it is back; look after the patients directly.`;
    element.hidden = false;
  }

  /** The right to see this page ended: say why, and show no patient any longer. */
  end(reason) {
    if (this.stopped) return;
    this.stop();
    this.show("ended");
    const card = document.createElement("section");
    card.className = "card stack";
    const words = document.createElement("h1");
    words.textContent = `${reason[0].toUpperCase()}${reason.slice(1)}.`;
    const link = document.createElement("a");
    link.className = "button primary";
    link.href = "/";
    link.textContent = "Back to the ward";
    card.append(words, link);
    document.querySelector(MAIN).replaceChildren(card);
    link.focus();
  }

  emit(type, message) {
    for (const listener of this.listeners.get(type) ?? []) listener(message);
  }

  show(state) {
    if (state === "waiting" && this.lostAt) state = "lost"; // stay calm: one word until it is live again
    const element = document.querySelector(STATE);
    element.hidden = false;
    element.dataset.state = state;
    element.textContent = { waiting: "Connecting", live: "Live", lost: "Reconnecting", ended: "Ended" }[state];
    document.documentElement.dataset.live = state;
    this.emit("state", { state });
  }
}
