// Delivery proof: reports an open alert as shown when it really is on the screen of a page that is being looked at.

const ALERT = '[data-alert][data-state="open"]';
const SEEN_SHARE = 0.5;

/**
 * Watch `root` for alerts and tell the server over `live` which ones came into view, once per alert and round.
 * @param {import("./live.js").Live} live
 * @param {Element} root keeps its place in the document; what is in it may be replaced at any time
 */
export function reportShown(live, root = document.body) {
  const told = new Set();
  const onScreen = new Set();
  const name = (element) => `${element.dataset.alert}/${element.dataset.round ?? ""}`;

  function tell(element) {
    if (document.hidden || told.has(name(element)) || live.socket?.readyState !== WebSocket.OPEN) return;
    live.socket.send(JSON.stringify({ type: "shown", alert: Number(element.dataset.alert) }));
    told.add(name(element));
  }

  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) onScreen.add(target), tell(target);
      else onScreen.delete(target);
    }
  }, { threshold: SEEN_SHARE });

  const tellAll = () => onScreen.forEach((element) => (element.isConnected ? tell(element) : onScreen.delete(element)));
  const look = () => root.querySelectorAll(ALERT).forEach((element) => seen.observe(element));
  new MutationObserver(look).observe(root, { childList: true, subtree: true });
  document.addEventListener("visibilitychange", tellAll);
  live.on("hello", tellAll);
  look();
}
