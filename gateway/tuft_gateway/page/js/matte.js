// The cut-out as it is edited: the photograph, the foreground's colours, and alpha at full resolution.
//
// A stroke does not add up: its coverage is the largest of its stamps, applied to alpha as it was before the stroke.
// A soft edge that the brush passes twice in one stroke is therefore as soft as after the first time.

const VISIBLE = 13; // fainter alpha, 5 %, does not count as the subject when cropping
const MAX_HISTORY_BYTES = 64 << 20;

export class Matte {
  // `photo` and `foreground`: RGBA bytes, opaque. `alpha`: one byte a pixel, as served; `edited`: an earlier session's.
  constructor({ width, height, photo, foreground, alpha, edited = null }) {
    Object.assign(this, { width, height, photo, foreground, served: alpha });
    this.alpha = edited?.alpha ?? alpha.slice();
    this.past = edited?.past ?? [];
    this.future = edited?.future ?? [];
    this.coverage = null;
  }

  // What has to be kept to go on later; null if nothing was edited.
  get edits() {
    const { alpha, past, future } = this;
    return past.length || future.length ? { alpha, past, future } : null;
  }

  // `erase` takes alpha away; `restore` brings the photograph back, or, where the browser cannot decode it, alpha as served.
  beginStroke(tool) {
    this.stroke = { tool, before: this.alpha.slice(), dirty: null };
    this.coverage ??= new Uint8Array(this.alpha.length);
  }

  // Paints along a line; positions and radius in pixels, softness 0 to 1. Returns the changed rectangle, or null.
  strokeTo(from, to, radius, softness) {
    const step = Math.max(radius / 4, 0.5);
    const count = Math.max(1, Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / step));
    let changed = null;
    for (let number = 0; number <= count; number++) {
      const share = number / count;
      const [x, y] = [from.x + (to.x - from.x) * share, from.y + (to.y - from.y) * share];
      changed = union(changed, this.#stamp(x, y, radius, softness));
    }
    this.stroke.dirty = union(this.stroke.dirty, changed);
    return changed;
  }

  endStroke() {
    const { before, dirty } = this.stroke;
    this.stroke = null;
    if (!dirty) return;
    this.#forEachRow(dirty, (start, end) => this.coverage.fill(0, start, end));
    this.past.push({ rect: dirty, alpha: this.#cropped(before, dirty) });
    this.future = [];
    while (this.past.length > 1 && bytesOf(this.past) > MAX_HISTORY_BYTES) this.past.shift();
  }

  undo() {
    return this.#step(this.past, this.future);
  }

  redo() {
    return this.#step(this.future, this.past);
  }

  reset() {
    this.past.push({ rect: this.whole, alpha: this.alpha.slice() });
    this.future = [];
    this.alpha.set(this.served);
    return this.whole;
  }

  get whole() {
    return { left: 0, top: 0, right: this.width, bottom: this.height };
  }

  // RGBA bytes of a rectangle, straight alpha. Colours at the edge are the foreground's; as alpha is restored
  // they turn into the photograph's, which they are at an opaque pixel.
  pixels(rect = this.whole) {
    const { photo, foreground, alpha, served, width } = this;
    const pixels = new Uint8ClampedArray((rect.right - rect.left) * (rect.bottom - rect.top) * 4);
    let to = 0;
    for (let y = rect.top; y < rect.bottom; y++) {
      for (let at = y * width + rect.left, end = y * width + rect.right; at < end; at++, to += 4) {
        const now = alpha[at];
        if (now === 0) continue;
        const was = served[at];
        const share = was === 0 || was === 255 ? 1 : now > was ? (now - was) / (255 - was) : 0;
        const from = at * 4;
        for (let channel = 0; channel < 3; channel++) {
          const own = foreground[from + channel];
          pixels[to + channel] = own + (photo[from + channel] - own) * share;
        }
        pixels[to + 3] = now;
      }
    }
    return pixels;
  }

  // The rectangle around all that is visible, with a margin in per cent of its longer side; null if there is nothing.
  subjectBox(marginPercent) {
    const box = { left: this.width, top: this.height, right: 0, bottom: 0 };
    for (let y = 0, at = 0; y < this.height; y++) {
      for (let x = 0; x < this.width; x++, at++) {
        if (this.alpha[at] < VISIBLE) continue;
        if (x < box.left) box.left = x;
        if (x >= box.right) box.right = x + 1;
        if (y < box.top) box.top = y;
        box.bottom = y + 1;
      }
    }
    if (box.right === 0) return null;
    const margin = Math.round((Math.max(box.right - box.left, box.bottom - box.top) * marginPercent) / 100);
    return this.#clipped({
      left: box.left - margin, top: box.top - margin, right: box.right + margin, bottom: box.bottom + margin,
    });
  }

  #stamp(x, y, radius, softness) {
    const rect = this.#clipped({
      left: Math.floor(x - radius), top: Math.floor(y - radius),
      right: Math.ceil(x + radius) + 1, bottom: Math.ceil(y + radius) + 1,
    });
    if (!rect) return null;
    const { tool, before } = this.stroke;
    const { alpha, coverage, served, width } = this;
    const inner = radius * (1 - softness);
    const rim = Math.max(radius - inner, 1);
    const limit = this.photo === this.foreground ? served : null;
    for (let row = rect.top; row < rect.bottom; row++) {
      for (let column = rect.left; column < rect.right; column++) {
        const distance = Math.hypot(column - x, row - y);
        if (distance >= inner + rim) continue;
        const at = row * width + column;
        const weight = 255 * smooth(Math.min(1, (inner + rim - distance) / rim));
        if (weight <= coverage[at]) continue;
        coverage[at] = weight;
        const was = before[at];
        const target = tool === "erase" ? 0 : Math.max(was, limit ? limit[at] : 255);
        alpha[at] = Math.round(was + ((target - was) * weight) / 255);
      }
    }
    return rect;
  }

  #step(from, to) {
    const { rect, alpha } = from.pop();
    to.push({ rect, alpha: this.#cropped(this.alpha, rect) });
    const wide = rect.right - rect.left;
    let row = 0;
    this.#forEachRow(rect, (start) => this.alpha.set(alpha.subarray(row * wide, ++row * wide), start));
    return rect;
  }

  #cropped(values, rect) {
    const wide = rect.right - rect.left;
    const crop = new Uint8Array(wide * (rect.bottom - rect.top));
    let row = 0;
    this.#forEachRow(rect, (start, end) => crop.set(values.subarray(start, end), row++ * wide));
    return crop;
  }

  #forEachRow(rect, visit) {
    for (let y = rect.top; y < rect.bottom; y++) visit(y * this.width + rect.left, y * this.width + rect.right);
  }

  #clipped({ left, top, right, bottom }) {
    const rect = {
      left: Math.max(left, 0), top: Math.max(top, 0),
      right: Math.min(right, this.width), bottom: Math.min(bottom, this.height),
    };
    return rect.left < rect.right && rect.top < rect.bottom ? rect : null;
  }
}

export function union(one, other) {
  if (!one || !other) return one ?? other;
  return {
    left: Math.min(one.left, other.left), top: Math.min(one.top, other.top),
    right: Math.max(one.right, other.right), bottom: Math.max(one.bottom, other.bottom),
  };
}

function smooth(share) {
  return share * share * (3 - 2 * share);
}

function bytesOf(history) {
  return history.reduce((sum, { alpha }) => sum + alpha.length, 0);
}
