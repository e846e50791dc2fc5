// From an edited matte to a file.

import { drawBackdrop, possible } from "./backdrop.js";
import { canvas } from "./decode.js";
import { encodePng } from "./png.js";

const QUALITY = 0.92;
const SUFFIX = { png: "png", webp: "webp", jpeg: "jpg" };

// `options`: {format, backdrop, marginPercent}; without a margin (null) the whole frame. Returns {name, blob}.
export async function pictureFile(matte, fileName, { format, backdrop, marginPercent }) {
  const box = (marginPercent === null ? null : matte.subjectBox(marginPercent)) ?? matte.whole;
  const blob = await encoded(matte, box, format, possible(backdrop, matte));
  return { name: `${fileName.replace(/\.[^.]{1,5}$/, "")}-cutout.${SUFFIX[format]}`, blob };
}

async function encoded(matte, box, format, backdrop) {
  const [width, height] = [box.right - box.left, box.bottom - box.top];
  if (format === "png" && backdrop.kind === "transparent") return encodePng(matte.pixels(box), width, height);
  const whole = composite(matte, format === "jpeg" ? opaque(backdrop) : backdrop);
  const target = canvas(width, height);
  target.getContext("2d").drawImage(whole, -box.left, -box.top);
  const type = `image/${format}`;
  const blob = await new Promise((resolve) => target.toBlob(resolve, type, QUALITY));
  // A browser that cannot write a type writes PNG instead, without a word.
  if (blob?.type !== type) throw new Error(`This browser cannot write ${format.toUpperCase()}: choose PNG.`);
  return blob;
}

function composite(matte, backdrop) {
  const { width, height } = matte;
  const subject = subjectCanvas(matte);
  const target = canvas(width, height);
  drawBackdrop(target, backdrop, photoCanvas(matte), subject);
  target.getContext("2d").drawImage(subject, 0, 0);
  return target;
}

export function subjectCanvas(matte, target = canvas(matte.width, matte.height)) {
  target.getContext("2d").putImageData(new ImageData(matte.pixels(), matte.width, matte.height), 0, 0);
  return target;
}

export function photoCanvas(matte, target = canvas(matte.width, matte.height)) {
  target.getContext("2d").putImageData(new ImageData(matte.photo, matte.width, matte.height), 0, 0);
  return target;
}

function opaque(backdrop) {
  return backdrop.kind === "transparent" ? { kind: "colour", colour: "#ffffff" } : backdrop;
}
