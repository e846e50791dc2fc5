// The picture: zoom, comparison and brush, by mouse, touch, pen and keyboard.

import { drawBackdrop, possible } from "./backdrop.js";
import { photoCanvas, subjectCanvas } from "./picture.js";

const MAX_ZOOM = 16;
const MAX_FIT = 2; // small pictures are enlarged to the stage, but not to a blur
const NEAR = 3; // from here on single pixels are shown as squares
const BACKDROP_SIDE = 1600;
const [PAN_STEP, BRUSH_STEP, FINE_STEP] = [48, 12, 2]; // of the arrow keys, in CSS pixels

export class Stage extends EventTarget {
  matte = null;
  tool = "move";
  brush = { size: 60, softness: 0.6 }; // size: diameter in CSS pixels
  #backdrop = { kind: "transparent" };
  #compare = 0;
  #view = { scale: 1, x: 0, y: 0 };
  #size = { width: 1, height: 1 };
  #pointers = new Map();
  #last = null;
  #keyboard = null; // position of the brush when it is moved by keys

  constructor({ stage, world, backdrop, subject, before, divider, cursor }) {
    super();
    this.elements = { stage, world, backdrop, subject, before, divider, cursor };
    for (const kind of ["pointerdown", "pointermove", "pointerup", "pointercancel", "pointerleave", "wheel"]) {
      stage.addEventListener(kind, (event) => this[`_${kind}`](event), { passive: false });
    }
    for (const kind of ["keydown", "keyup", "blur"]) stage.addEventListener(kind, (event) => this[`_${kind}`](event));
    new ResizeObserver(() => this.fit()).observe(stage);
    this.choose("move");
  }

  // Shows a photograph of which there is no cut-out yet.
  preview(picture) {
    this.matte = null;
    this.#resize(picture?.width ?? 1, picture?.height ?? 1);
    if (picture) this.elements.before.getContext("2d").drawImage(picture, 0, 0);
    this.fit();
    this.#drawCompare();
  }

  show(matte) {
    this.matte = matte;
    this.#resize(matte.width, matte.height);
    photoCanvas(matte, this.elements.before);
    subjectCanvas(matte, this.elements.subject);
    this.#drawBackdrop();
    this.fit();
    this.#drawCompare();
    this.#changed();
  }

  choose(tool) {
    this.tool = tool;
    this.elements.stage.dataset.tool = tool;
    this.#keyboard = null;
    this.elements.cursor.hidden = true;
  }

  set backdrop(backdrop) {
    this.#backdrop = backdrop;
    this.#drawBackdrop();
  }

  // How much of the photograph is shown from the left, 0 to 100.
  set compare(percent) {
    this.#compare = percent;
    this.#drawCompare();
  }

  get scale() {
    return this.#view.scale;
  }

  fit() {
    const { clientWidth, clientHeight } = this.elements.stage;
    const scale = this.#fitting();
    this.#view = {
      scale,
      x: (clientWidth - this.#size.width * scale) / 2,
      y: (clientHeight - this.#size.height * scale) / 2,
    };
    this.#drawView();
  }

  // Zooms about a point of the stage, in CSS pixels; about its middle by default.
  zoom(factor, { x, y } = { x: this.elements.stage.clientWidth / 2, y: this.elements.stage.clientHeight / 2 }) {
    const view = this.#view;
    const scale = Math.min(Math.max(view.scale * factor, this.#fitting()), MAX_ZOOM);
    const grown = scale / view.scale;
    this.#view = { scale, x: x - (x - view.x) * grown, y: y - (y - view.y) * grown };
    this.#drawView();
  }

  step(kind) {
    if (!this.matte || (kind === "undo" && !this.matte.past.length) || (kind === "redo" && !this.matte.future.length)) return;
    this.#redraw(this.matte[kind]());
    this.#drawBackdrop();
    this.#changed();
  }

  #fitting() {
    const { clientWidth, clientHeight } = this.elements.stage;
    return Math.min(clientWidth / this.#size.width, clientHeight / this.#size.height, MAX_FIT) || 1;
  }

  #resize(width, height) {
    const { world, subject, before, backdrop } = this.elements;
    this.#size = { width, height };
    Object.assign(world.style, { width: `${width}px`, height: `${height}px` });
    for (const layer of [subject, before]) Object.assign(layer, { width, height });
    const scale = Math.min(1, BACKDROP_SIDE / Math.max(width, height));
    Object.assign(backdrop, { width: Math.ceil(width * scale), height: Math.ceil(height * scale) });
  }

  #drawView() {
    const { world, stage } = this.elements;
    const { scale } = this.#view;
    const { clientWidth, clientHeight } = stage;
    // A picture smaller than the stage is centred; a larger one covers it.
    const [wide, high] = [this.#size.width * scale, this.#size.height * scale];
    this.#view.x = wide <= clientWidth ? (clientWidth - wide) / 2 : Math.min(Math.max(this.#view.x, clientWidth - wide), 0);
    this.#view.y = high <= clientHeight ? (clientHeight - high) / 2 : Math.min(Math.max(this.#view.y, clientHeight - high), 0);
    world.style.transform = `translate(${this.#view.x}px, ${this.#view.y}px) scale(${scale})`;
    world.classList.toggle("near", scale >= NEAR);
    stage.classList.toggle("zoomed", scale > this.#fitting() * 1.001);
    this.#drawCompare();
    this.#drawCursor(this.#keyboard);
    this.dispatchEvent(new Event("view"));
  }

  #drawCompare() {
    const { before, divider, stage } = this.elements;
    const share = this.matte ? this.#compare / 100 : 1;
    // The line stands at a share of the visible picture, wherever it is moved to.
    const left = Math.max(this.#view.x, 0);
    const right = Math.min(this.#view.x + this.#size.width * this.#view.scale, stage.clientWidth);
    const line = left + (right - left) * share;
    const shown = (line - this.#view.x) / this.#view.scale;
    before.style.clipPath = `inset(0 ${Math.max(this.#size.width - shown, 0)}px 0 0)`;
    divider.hidden = !(share > 0 && share < 1);
    const top = Math.max(this.#view.y, 0);
    const bottom = Math.min(this.#view.y + this.#size.height * this.#view.scale, stage.clientHeight);
    Object.assign(divider.style, { left: `${line}px`, top: `${top}px`, height: `${bottom - top}px` });
  }

  #drawBackdrop() {
    if (!this.matte) return;
    drawBackdrop(this.elements.backdrop, possible(this.#backdrop, this.matte), this.elements.before, this.elements.subject);
  }

  #redraw(rect) {
    if (!rect) return;
    const wide = rect.right - rect.left;
    const pixels = new ImageData(this.matte.pixels(rect), wide, rect.bottom - rect.top);
    this.elements.subject.getContext("2d").putImageData(pixels, rect.left, rect.top);
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  // Strokes: positions in CSS pixels of the stage.
  #begin(point) {
    this.matte.beginStroke(this.tool);
    this.#last = this.#inPicture(point);
    this.#paint(point);
  }

  #paint(point) {
    const to = this.#inPicture(point);
    const radius = Math.max(this.brush.size / 2 / this.#view.scale, 0.5);
    this.#redraw(this.matte.strokeTo(this.#last, to, radius, this.brush.softness));
    this.#last = to;
  }

  #end() {
    if (!this.#last) return;
    this.#last = null;
    this.matte.endStroke();
    if (this.#backdrop.kind === "blur") this.#drawBackdrop();
    this.#changed();
  }

  #inPicture({ x, y }) {
    const view = this.#view;
    return { x: (x - view.x) / view.scale - 0.5, y: (y - view.y) / view.scale - 0.5 };
  }

  #inStage(event) {
    const box = this.elements.stage.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  #drawCursor(point) {
    const { cursor } = this.elements;
    cursor.hidden = !point || this.tool === "move" || !this.matte;
    if (cursor.hidden) return;
    const size = `${this.brush.size}px`;
    Object.assign(cursor.style, { left: `${point.x}px`, top: `${point.y}px`, width: size, height: size });
  }

  _pointerdown(event) {
    if (event.button !== 0) return;
    this.elements.stage.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, this.#inStage(event));
    this.#keyboard = null;
    if (this.#pointers.size > 1) this.#end(); // two fingers zoom
    else if (this.tool !== "move" && this.matte) this.#begin(this.#inStage(event));
  }

  _pointermove(event) {
    const point = this.#inStage(event);
    if (event.pointerType !== "touch") this.#drawCursor(point);
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    if (this.#pointers.size === 2) this.#pinch(event.pointerId, before, point);
    else if (this.#last) for (const step of event.getCoalescedEvents?.() ?? [event]) this.#paint(this.#inStage(step));
    else if (this.tool === "move") this.#pan(point.x - before.x, point.y - before.y);
    this.#pointers.set(event.pointerId, point);
  }

  _pointerup(event) {
    this.#pointers.delete(event.pointerId);
    this.#end();
  }

  _pointercancel(event) {
    this._pointerup(event);
  }

  _pointerleave() {
    if (!this.#last) this.#drawCursor(null);
  }

  #pinch(moved, before, point) {
    const [other] = [...this.#pointers].filter(([id]) => id !== moved).map(([, position]) => position);
    const [was, now] = [before, point].map(({ x, y }) => Math.hypot(x - other.x, y - other.y));
    this.zoom(now / Math.max(was, 1), { x: (point.x + other.x) / 2, y: (point.y + other.y) / 2 });
    this.#pan((point.x - before.x) / 2, (point.y - before.y) / 2);
  }

  #pan(x, y) {
    this.#view.x += x;
    this.#view.y += y;
    this.#drawView();
  }

  // A wheel alone scrolls the page; with Ctrl, as a pinch on a trackpad arrives, it zooms.
  _wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY / 300), this.#inStage(event));
  }

  _keydown(event) {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const command = event.ctrlKey || event.metaKey;
    const action = command ? this.#commands(event.shiftKey)[key] : this.#keys(event)[key];
    if (!action || event.altKey) return;
    event.preventDefault();
    action();
  }

  _keyup(event) {
    if (event.key === " ") this.#end();
  }

  _blur() {
    this.#end();
  }

  #commands(shift) {
    return { z: () => this.step(shift ? "redo" : "undo"), y: () => this.step("redo") };
  }

  #keys(event) {
    const ask = (tool) => () => this.dispatchEvent(new CustomEvent("tool", { detail: tool }));
    const resize = (factor) => () => this.dispatchEvent(new CustomEvent("resize", { detail: factor }));
    return {
      ArrowLeft: () => this.#arrow(-1, 0, event.shiftKey),
      ArrowRight: () => this.#arrow(1, 0, event.shiftKey),
      ArrowUp: () => this.#arrow(0, -1, event.shiftKey),
      ArrowDown: () => this.#arrow(0, 1, event.shiftKey),
      " ": () => this.#keyStroke(event.repeat),
      m: ask("move"),
      e: ask("erase"),
      r: ask("restore"),
      "[": resize(1 / 1.25),
      "]": resize(1.25),
      "+": () => this.zoom(1.25),
      "=": () => this.zoom(1.25),
      "-": () => this.zoom(1 / 1.25),
      0: () => this.fit(),
    };
  }

  #arrow(x, y, fine) {
    if (this.tool === "move") return this.#pan(-x * PAN_STEP, -y * PAN_STEP);
    const step = fine ? FINE_STEP : BRUSH_STEP;
    const { clientWidth, clientHeight } = this.elements.stage;
    const { x: left, y: top } = this.#brushPosition();
    this.#keyboard = {
      x: Math.min(Math.max(left + x * step, 0), clientWidth),
      y: Math.min(Math.max(top + y * step, 0), clientHeight),
    };
    if (this.#last) this.#paint(this.#keyboard);
    this.#drawCursor(this.#keyboard);
  }

  #keyStroke(repeated) {
    if (this.tool === "move" || !this.matte || repeated || this.#last) return;
    this.#keyboard = this.#brushPosition();
    this.#drawCursor(this.#keyboard);
    this.#begin(this.#keyboard);
  }

  #brushPosition() {
    const { clientWidth, clientHeight } = this.elements.stage;
    return this.#keyboard ?? { x: clientWidth / 2, y: clientHeight / 2 };
  }
}
