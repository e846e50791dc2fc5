// From the server's zip and the file that was sent to a Matte.

import { readZip } from "./archive.js";
import { Matte } from "./matte.js";

export async function loadMatte(file, archive, edited) {
  const parts = await readZip(archive);
  const alphaPicture = await createImageBitmap(parts.get("alpha.png"));
  const { width, height } = alphaPicture;
  const alpha = everyFourth(bytesOf(alphaPicture, width, height));
  const foreground = bytesOf(await createImageBitmap(parts.get("color.jpg")), width, height);
  const photo = await photograph(file, width, height);
  return new Matte({ width, height, photo: photo ?? foreground, foreground, alpha, edited });
}

// The file's pixels, upright, in the size of the result; null if the browser cannot decode it (HEIC, TIFF).
async function photograph(file, width, height) {
  try {
    return bytesOf(await createImageBitmap(file), width, height);
  } catch {
    return null;
  }
}

function bytesOf(picture, width, height) {
  const context = canvas(width, height).getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, width, height);
  picture.close();
  return context.getImageData(0, 0, width, height).data;
}

function everyFourth(bytes) {
  const values = new Uint8Array(bytes.length / 4);
  for (let at = 0; at < values.length; at++) values[at] = bytes[at * 4];
  return values;
}

export function canvas(width, height) {
  return Object.assign(document.createElement("canvas"), { width, height });
}
