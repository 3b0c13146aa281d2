// Drawing: one or two pictures on one canvas, with the same zoom and place, so that what lies side by side is the same spot.

/** Lay out panes on a canvas of `width` x `height` device pixels: { left, width } each. */
export function panesOf(layout, width) {
  if (layout !== "side") return [{ left: 0, width }];
  const half = Math.floor(width / 2);
  return [{ left: 0, width: half }, { left: half, width: width - half }];
}

/** Return how an image lies in a pane: scale per axis and the top left corner, device pixels. */
export function placeOf(image, pane, height, view) {
  const fit = Math.min(pane.width / image.columns, height / (image.rows * image.aspect));
  const scale = fit * view.zoom;
  const scaleY = scale * image.aspect;
  return {
    scaleX: scale,
    scaleY,
    x: pane.left + pane.width / 2 - (image.columns * scale) / 2 + view.panX * pane.width,
    y: height / 2 - (image.rows * scaleY) / 2 + view.panY * height,
  };
}

/** Draw `pictures` ([{ image, canvas }], the second only when comparing) and return nothing. */
export function draw(canvas, pictures, view) {
  const context = canvas.getContext("2d", { alpha: false });
  const { width, height } = canvas;
  context.fillStyle = "#000";
  context.fillRect(0, 0, width, height);
  const panes = panesOf(view.layout, width);
  pictures.forEach((picture, index) => {
    const pane = panes[Math.min(index, panes.length - 1)];
    context.save();
    context.beginPath();
    if (view.layout === "swipe" && index === 1) context.rect(width * view.swipe, 0, width * (1 - view.swipe), height);
    else context.rect(pane.left, 0, pane.width, height);
    context.clip();
    paint(context, picture, pane, height, view);
    context.restore();
  });
  if (view.layout === "side") {
    context.fillStyle = "#2a313a";
    context.fillRect(panes[1].left - 1, 0, 2, height);
  }
}

function paint(context, { image, canvas }, pane, height, view) {
  const place = placeOf(image, pane, height, view);
  context.fillStyle = "#000";
  context.fillRect(pane.left, 0, pane.width, height); // covers the picture below when swiping
  context.imageSmoothingEnabled = place.scaleX < 6; // far in, the reader wants to see the pixels themselves
  context.imageSmoothingQuality = "high";
  context.drawImage(canvas, place.x, place.y, image.columns * place.scaleX, image.rows * place.scaleY);
}

/** Return the pixel { column, row } of the image under a point in device pixels, or null outside. */
export function pixelAt(image, pane, height, view, x, y) {
  const place = placeOf(image, pane, height, view);
  const column = Math.floor((x - place.x) / place.scaleX);
  const row = Math.floor((y - place.y) / place.scaleY);
  return column >= 0 && row >= 0 && column < image.columns && row < image.rows ? { column, row } : null;
}
