// The picture: zoom, comparison and brush, by mouse, touch, pen and keyboard.

import { drawBackdrop, possible } from "./backdrop.js";
import { photoCanvas, subjectCanvas } from "./picture.js";
import { PROMPT_TOOLS, drawMarks } from "./prompts.js";

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
  #prompts = null;
  #corner = null; // of a box that is being drawn, in pixels of the photograph

  constructor({ stage, world, backdrop, subject, before, divider, cursor, marks }) {
    super();
    this.elements = { stage, world, backdrop, subject, before, divider, cursor, marks };
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
    this.elements.stage.classList.toggle("prompting", this.prompting);
    this.#keyboard = null;
    this.#corner = null;
    this.elements.cursor.hidden = true;
    this.#drawCompare();
    this.#drawMarks();
  }

  // Whether the tool says which subject is meant: the whole photograph is shown then, what is removed of it faintly.
  get prompting() {
    return PROMPT_TOOLS.includes(this.tool);
  }

  set prompts(prompts) {
    this.#prompts = prompts;
    this.#drawMarks();
  }

  get hasPicture() {
    return this.#size.width > 1 || this.#size.height > 1;
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
    this.#drawMarks();
    this.#drawCursor(this.#keyboard);
    this.dispatchEvent(new Event("view"));
  }

  #drawMarks(end = null) {
    const draft = this.#corner && end ? { x1: this.#corner.x, y1: this.#corner.y, x2: end.x, y2: end.y } : null;
    const place = ({ x, y }) => ({ x: x * this.#view.scale + this.#view.x, y: y * this.#view.scale + this.#view.y });
    drawMarks(this.elements.marks, this.#prompts, draft, place);
  }

  #drawCompare() {
    const { before, divider, stage } = this.elements;
    const share = this.matte && !this.prompting ? this.#compare / 100 : 1;
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

  // Prompts: a point is set, or one corner of a box and then the other.
  #press(point) {
    const at = this.#onPicture(point);
    if (this.tool === "box") this.#corner = at;
    else this.#tell("point", { kind: this.tool, at });
  }

  #stretch(point) {
    if (this.#corner) this.#drawMarks(this.#onPicture(point));
  }

  #release(point) {
    if (!this.#corner) return;
    const from = this.#corner;
    this.#corner = null;
    this.#drawMarks();
    this.#tell("box", { from, to: this.#onPicture(point) });
  }

  #tell(kind, detail) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }

  // In pixels of the photograph, counted from its outer edge, and inside of it.
  #onPicture({ x, y }) {
    const inside = (value, most) => Math.min(Math.max(value, 0), most);
    const [left, top] = [(x - this.#view.x) / this.#view.scale, (y - this.#view.y) / this.#view.scale];
    if (this.tool === "box") return { x: inside(left, this.#size.width), y: inside(top, this.#size.height) };
    return { x: inside(left, this.#size.width - 0.5), y: inside(top, this.#size.height - 0.5) };
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
    cursor.hidden = !point || this.tool === "move" || !(this.matte || (this.prompting && this.#keyboard));
    if (this.prompting) cursor.hidden ||= point !== this.#keyboard; // the mouse has a cross of its own
    if (cursor.hidden) return;
    const size = this.prompting ? "22px" : `${this.brush.size}px`;
    Object.assign(cursor.style, { left: `${point.x}px`, top: `${point.y}px`, width: size, height: size });
  }

  _pointerdown(event) {
    if (event.button !== 0) return;
    this.elements.stage.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, this.#inStage(event));
    this.#keyboard = null;
    if (this.#pointers.size > 1) this.#abandon(); // two fingers zoom
    else if (this.prompting) this.hasPicture && this.#press(this.#inStage(event));
    else if (this.tool !== "move" && this.matte) this.#begin(this.#inStage(event));
  }

  _pointermove(event) {
    const point = this.#inStage(event);
    if (event.pointerType !== "touch") this.#drawCursor(point);
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    if (this.#pointers.size === 2) this.#pinch(event.pointerId, before, point);
    else if (this.#last) for (const step of event.getCoalescedEvents?.() ?? [event]) this.#paint(this.#inStage(step));
    else if (this.prompting) this.#stretch(point);
    else if (this.tool === "move") this.#pan(point.x - before.x, point.y - before.y);
    this.#pointers.set(event.pointerId, point);
  }

  _pointerup(event) {
    this.#pointers.delete(event.pointerId);
    this.#end();
    this.#release(this.#inStage(event));
  }

  _pointercancel(event) {
    this.#pointers.delete(event.pointerId);
    this.#abandon();
  }

  // Ends a stroke, and gives a box up.
  #abandon() {
    this.#end();
    this.#corner = null;
    this.#drawMarks();
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
    this.#abandon();
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
      p: ask("point"),
      n: ask("beside"),
      b: ask("box"),
      Escape: () => this.#abandon(),
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
    this.#stretch(this.#keyboard);
    this.#drawCursor(this.#keyboard);
  }

  #keyStroke(repeated) {
    if (this.prompting) return repeated || !this.hasPicture || this.#keyPrompt();
    if (this.tool === "move" || !this.matte || repeated || this.#last) return;
    this.#keyboard = this.#brushPosition();
    this.#drawCursor(this.#keyboard);
    this.#begin(this.#keyboard);
  }

  // The first press begins a box, the second ends it.
  #keyPrompt() {
    this.#keyboard = this.#brushPosition();
    this.#drawCursor(this.#keyboard);
    if (this.#corner) this.#release(this.#keyboard);
    else this.#press(this.#keyboard);
  }

  #brushPosition() {
    const { clientWidth, clientHeight } = this.elements.stage;
    return this.#keyboard ?? { x: clientWidth / 2, y: clientHeight / 2 };
  }
}
