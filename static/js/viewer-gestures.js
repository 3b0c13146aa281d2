// Hands: mouse, pen and touch on the stage become window, pan, zoom and scroll. Knows nothing of images.

/**
 * Listen on `stage`. `on` has drag(tool, dx, dy) in stage widths and heights, zoom(factor), scroll(steps), hover(x, y) in CSS
 * pixels and reset(). `toolNow()` says what a plain drag does.
 */
export function listen(stage, toolNow, on) {
  const pointers = new Map();
  let rest = 0;

  stage.addEventListener("pointerdown", (event) => {
    if (event.target.closest(".divider")) return;
    stage.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, button: event.button });
    event.preventDefault();
    stage.focus({ preventScroll: true });
  });
  for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, (event) => pointers.delete(event.pointerId));
  stage.addEventListener("pointermove", (event) => {
    const box = stage.getBoundingClientRect();
    on.hover(event.clientX - box.left, event.clientY - box.top);
    const last = pointers.get(event.pointerId);
    if (!last) return;
    if (pointers.size === 2) pinch(event, last, box);
    else dragged(event, last, box);
    pointers.set(event.pointerId, { ...last, x: event.clientX, y: event.clientY });
  });
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.ctrlKey) return on.zoom(Math.exp(-event.deltaY / 300));
    rest += event.deltaY;
    const steps = Math.trunc(rest / 60);
    if (steps) on.scroll(steps);
    rest -= steps * 60;
  }, { passive: false });
  stage.addEventListener("dblclick", () => on.reset());
  stage.addEventListener("contextmenu", (event) => event.preventDefault());

  function dragged(event, last, box) {
    const shifted = event.shiftKey || last.button === 1;
    const tool = shifted ? "pan" : last.button === 2 ? "zoom" : toolNow();
    const dx = (event.clientX - last.x) / box.width;
    const dy = (event.clientY - last.y) / box.height;
    if (tool === "zoom") return on.zoom(Math.exp(-dy * 3));
    if (tool !== "scroll") return on.drag(tool, dx, dy);
    rest += dy * 1200;
    const steps = Math.trunc(rest / 60);
    if (steps) on.scroll(steps);
    rest -= steps * 60;
  }

  function pinch(event, last, box) {
    const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
    const before = Math.hypot(last.x - other.x, last.y - other.y);
    const after = Math.hypot(event.clientX - other.x, event.clientY - other.y);
    if (before > 10) on.zoom(after / before);
    on.drag("pan", (event.clientX - last.x) / box.width / 2, (event.clientY - last.y) / box.height / 2);
  }
}
