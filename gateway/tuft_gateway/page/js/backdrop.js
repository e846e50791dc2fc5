// What is behind the subject: {kind: "transparent" | "colour" | "picture" | "blur", colour, picture}.

import { canvas } from "./decode.js";

const BLUR_SIDE = 192; // the blurred background is computed at this size: what is blurred needs no more
const BLUR_RADIUS = 5;

// What can be drawn behind a matte: where the browser cannot decode the file there is nothing that could be blurred.
export function possible(backdrop, matte) {
  return backdrop.kind === "blur" && matte.photo === matte.foreground ? { kind: "transparent" } : backdrop;
}

// Fills a canvas. `photo` and `subject` are canvases of the photograph and of the cut-out.
export function drawBackdrop(target, backdrop, photo, subject) {
  const context = target.getContext("2d");
  context.clearRect(0, 0, target.width, target.height);
  context.imageSmoothingQuality = "high";
  if (backdrop.kind === "colour") {
    context.fillStyle = backdrop.colour;
    context.fillRect(0, 0, target.width, target.height);
  } else if (backdrop.kind === "picture" && backdrop.picture) {
    cover(context, backdrop.picture);
  } else if (backdrop.kind === "blur") {
    context.drawImage(blurred(photo, subject), 0, 0, target.width, target.height);
  }
}

// Scaled to cover the frame, centred.
function cover(context, picture) {
  const { width, height } = context.canvas;
  const scale = Math.max(width / picture.width, height / picture.height);
  const [wide, high] = [picture.width * scale, picture.height * scale];
  context.drawImage(picture, (width - wide) / 2, (height - high) / 2, wide, high);
}

// The photograph out of focus, without the subject: its colours would glow around it. Each pixel is a mean of the
// background's pixels around it, weighted by 1 − alpha (normalised convolution).
function blurred(photo, subject) {
  const scale = BLUR_SIDE / Math.max(photo.width, photo.height);
  const small = canvas(Math.max(1, Math.round(photo.width * scale)), Math.max(1, Math.round(photo.height * scale)));
  const { width, height } = small;
  const context = small.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(photo, 0, 0, width, height);
  context.globalCompositeOperation = "destination-out";
  for (let times = 0; times < 2; times++) context.drawImage(subject, 0, 0, width, height);
  const picture = context.getImageData(0, 0, width, height);
  const sums = weightedSums(picture.data);
  let filled = null;
  // Wider and wider, until there is a colour behind the middle of the subject, too.
  for (let radius = BLUR_RADIUS; ; radius *= 3) {
    boxBlur(sums, width, height, radius);
    boxBlur(sums, width, height, radius);
    filled = fill(filled, sums);
    if (radius > BLUR_SIDE) break;
  }
  for (let at = 0; at < width * height; at++) {
    for (let channel = 0; channel < 3; channel++) picture.data[at * 4 + channel] = filled[at * 4 + channel];
    picture.data[at * 4 + 3] = 255;
  }
  context.putImageData(picture, 0, 0);
  return small;
}

function weightedSums(bytes) {
  const sums = new Float32Array(bytes.length);
  for (let at = 0; at < bytes.length; at += 4) {
    const weight = bytes[at + 3] / 255;
    for (let channel = 0; channel < 3; channel++) sums[at + channel] = bytes[at + channel] * weight;
    sums[at + 3] = weight;
  }
  return sums;
}

// Keeps a colour as far as its weight goes, and takes the rest from a wider mean.
function fill(filled, sums) {
  const next = filled ?? new Float32Array(sums.length);
  for (let at = 0; at < sums.length; at += 4) {
    const missing = 1 - next[at + 3];
    if (missing <= 0 || sums[at + 3] < 1e-4) continue;
    const taken = Math.min(missing, sums[at + 3] * 4);
    const has = next[at + 3];
    for (let channel = 0; channel < 3; channel++) {
      const colour = sums[at + channel] / sums[at + 3];
      next[at + channel] = (next[at + channel] * has + colour * taken) / (has + taken);
    }
    next[at + 3] = has + taken;
  }
  return next;
}

function boxBlur(values, width, height, radius) {
  for (let row = 0; row < height; row++) blurLine(values, row * width * 4, 4, width, radius);
  for (let column = 0; column < width; column++) blurLine(values, column * 4, width * 4, height, radius);
}

function blurLine(values, start, stride, count, radius) {
  const line = new Float32Array(count);
  for (let channel = 0; channel < 4; channel++) {
    for (let at = 0; at < count; at++) line[at] = values[start + at * stride + channel];
    let sum = 0;
    for (let at = -radius; at <= radius; at++) sum += line[clamp(at, count)];
    for (let at = 0; at < count; at++) {
      values[start + at * stride + channel] = sum / (2 * radius + 1);
      sum += line[clamp(at + radius + 1, count)] - line[clamp(at - radius, count)];
    }
  }
}

function clamp(at, count) {
  return Math.min(Math.max(at, 0), count - 1);
}
