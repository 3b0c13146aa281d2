// Pixels: fetched once, kept in memory, turned into grey through a table. 16-bit values arrive bit for bit.

const KEPT = 64; // files; a 512 x 512 image is half a MiB

const files = new Map(); // url -> promise of an Int16Array or Uint16Array with all frames

/** Return the promise of one frame's stored values. */
export async function frameOf(image) {
  const all = await fileOf(image);
  const length = image.rows * image.columns;
  return all.subarray(image.frame * length, (image.frame + 1) * length);
}

function fileOf(image) {
  const known = files.get(image.url);
  if (known) return known;
  const promise = load(image).catch((error) => {
    files.delete(image.url); // so that another look tries again
    throw error;
  });
  files.set(image.url, promise);
  if (files.size > KEPT) files.delete(files.keys().next().value);
  return promise;
}

async function load(image) {
  const response = await fetch(image.url);
  if (!response.ok) throw new Error(response.status === 404 ? "You may no longer see this image." : "The image cannot be read.");
  const bytes = await response.arrayBuffer();
  return image.signed ? new Int16Array(bytes) : new Uint16Array(bytes);
}

/** Fetch what will be needed next. */
export function prefetch(images) {
  for (const image of images) fileOf(image).catch(() => {});
}

/** Return a canvas with the frame seen through the window { centre, width } in shown units. */
export function grey(image, values, view, inverted, canvas = new OffscreenCanvas(1, 1)) {
  if (canvas.width !== image.columns || canvas.height !== image.rows) Object.assign(canvas, { width: image.columns, height: image.rows });
  const table = tableOf(image, view, inverted !== image.inverted);
  const offset = image.signed ? 32768 : 0;
  const picture = new ImageData(image.columns, image.rows);
  const out = new Uint32Array(picture.data.buffer);
  for (let i = 0; i < values.length; i += 1) out[i] = table[values[i] + offset];
  canvas.getContext("2d").putImageData(picture, 0, 0);
  return canvas;
}

/** Every 16-bit value as a packed grey (little endian: alpha, blue, green, red). */
function tableOf(image, view, inverted) {
  const table = new Uint32Array(65536);
  const offset = image.signed ? 32768 : 0;
  const low = view.centre - view.width / 2;
  for (let i = 0; i < 65536; i += 1) {
    const shown = (i - offset) * image.slope + image.intercept;
    const level = Math.max(0, Math.min(255, Math.round((255 * (shown - low)) / view.width)));
    const value = inverted ? 255 - level : level;
    table[i] = (255 << 24) | (value << 16) | (value << 8) | value;
  }
  return table;
}

/** Return the window that spans all values of a frame. */
export function fullRange(image, values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const ends = [low * image.slope + image.intercept, high * image.slope + image.intercept];
  return { centre: (ends[0] + ends[1]) / 2, width: Math.max(Math.abs(ends[1] - ends[0]), 1e-6) };
}
