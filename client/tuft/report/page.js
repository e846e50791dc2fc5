"use strict";

const MAX_SCALE = 40; // relative to the whole picture
const ZOOM_STEP = 1.5; // factor of the zoom buttons
const PIXELATED_FROM = 2; // CSS pixels per picture pixel from which pixels are drawn sharp

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** Two layers of an exhibit under one slider; the view is a point of the picture and a scale. */
class Viewer {
  constructor(root) {
    this.root = root;
    this.box = root.querySelector(".viewer");
    this.stage = root.querySelector(".stage");
    this.slider = root.querySelector(".cut");
    this.layers = [...root.querySelectorAll(".layer")];
    this.selects = { left: this.select("left"), right: this.select("right") };
    this.pictures = { left: this.picture("left"), right: this.picture("right") };
    this.focus = this.box.dataset.focus?.split(",").map(Number);
    this.pointers = new Map();
    this.wheels = false;
    this.listen();
    this.show("left");
    this.show("right");
    this.cut(50);
    this.look(...(this.focus ?? [0.5, 0.5, 1]));
  }

  select(side) {
    return this.root.querySelector(`[data-side=${side}]`);
  }

  picture(side) {
    const image = new Image();
    image.alt = "";
    image.draggable = false;
    this.root.querySelector(`.pane.${side}`).append(image);
    return image;
  }

  listen() {
    this.slider.addEventListener("input", () => this.cut(Number(this.slider.value)));
    for (const side of ["left", "right"]) this.selects[side].addEventListener("change", () => this.show(side));
    this.layers.forEach((layer, number) => layer.addEventListener("click", () => this.choose("right", number)));
    this.root.querySelector("[data-zoom=in]").addEventListener("click", () => this.zoom(ZOOM_STEP));
    this.root.querySelector("[data-zoom=out]").addEventListener("click", () => this.zoom(1 / ZOOM_STEP));
    this.box.addEventListener("keydown", (event) => this.pressed(event));
    this.listenForBackdrops();
    this.listenForPointers();
    new ResizeObserver(() => this.sharpen()).observe(this.stage);
  }

  listenForBackdrops() {
    for (const button of this.root.querySelectorAll("[data-backdrop]"))
      button.addEventListener("click", () => this.backdrop(button, button.dataset.backdrop));
    const colour = this.root.querySelector("[type=color]");
    const use = () => {
      this.root.style.setProperty("--colour", colour.value);
      this.backdrop(colour.parentElement, "colour");
    };
    colour.addEventListener("click", use);
    colour.addEventListener("input", use);
  }

  listenForPointers() {
    const stage = this.stage;
    stage.addEventListener("pointerdown", (event) => this.down(event));
    stage.addEventListener("pointermove", (event) => this.moved(event));
    for (const end of ["pointerup", "pointercancel"])
      stage.addEventListener(end, (event) => this.pointers.delete(event.pointerId));
    stage.addEventListener("pointerleave", () => (this.wheels = false));
    stage.addEventListener("dblclick", () => this.whole());
    stage.addEventListener("wheel", (event) => this.wheeled(event), { passive: false });
  }

  choose(side, number) {
    this.selects[side].value = number;
    this.show(side);
  }

  /** Shows the selected layer in a pane, with the source of its thumbnail, so that it is inlined only once. */
  show(side) {
    const layer = this.layers[this.selects[side].value];
    this.pictures[side].src = layer.querySelector("img").src;
    this.layers.forEach((other) => other.classList.toggle(side, other === layer));
    if (side === "right") this.layers.forEach((other) => other.setAttribute("aria-pressed", other === layer));
    this.tell();
  }

  cut(percent) {
    this.percent = clamp(percent, 0, 100);
    this.slider.value = this.percent;
    this.stage.style.setProperty("--cut", `${this.percent}%`);
    this.tell();
  }

  tell() {
    const name = this.selects.left.selectedOptions[0].text;
    this.slider.setAttribute("aria-valuetext", `${name} to ${Math.round(this.percent)} percent`);
  }

  /** Centres the point (x, y), in fractions of width and height, but never shows anything outside the picture. */
  look(x, y, scale) {
    this.scale = clamp(scale, 1, MAX_SCALE);
    const margin = 0.5 / this.scale;
    this.x = clamp(x, margin, 1 - margin);
    this.y = clamp(y, margin, 1 - margin);
    const left = (0.5 - this.x * this.scale) * 100;
    const top = (0.5 - this.y * this.scale) * 100;
    for (const image of Object.values(this.pictures))
      image.style.transform = `translate(${left}%, ${top}%) scale(${this.scale})`;
    this.root.querySelector("output").textContent = `${Number(this.scale.toFixed(1))}×`;
    this.stage.classList.toggle("near", this.scale > 1);
    this.sharpen();
  }

  sharpen() {
    const pixel = (this.stage.clientWidth * this.scale) / this.layers[0].querySelector("img").getAttribute("width");
    this.stage.classList.toggle("pixelated", pixel > PIXELATED_FROM);
  }

  /** Zooms by `factor` around the point (across, down) of the stage. */
  zoom(factor, across = 0.5, down = 0.5) {
    const scale = clamp(this.scale * factor, 1, MAX_SCALE);
    const kept = 1 / this.scale - 1 / scale;
    this.look(this.x + (across - 0.5) * kept, this.y + (down - 0.5) * kept, scale);
  }

  /** Shows the whole picture, or if it is shown already, the initial view. */
  whole() {
    this.look(...(this.scale === 1 && this.focus ? this.focus : [0.5, 0.5, 1]));
  }

  pressed(event) {
    if (event.target.matches("select, [type=color]") || event.ctrlKey || event.metaKey) return;
    const factor = { "+": ZOOM_STEP, "=": ZOOM_STEP, "-": 1 / ZOOM_STEP, 0: 0 }[event.key];
    if (factor === undefined) return;
    event.preventDefault();
    if (factor) this.zoom(factor);
    else this.whole();
  }

  down(event) {
    if (event.target === this.slider || event.button !== 0) return;
    this.wheels = true;
    this.stage.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event);
  }

  moved(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const { width, height } = this.stage.getBoundingClientRect();
    const other = [...this.pointers.values()].find((pointer) => pointer.pointerId !== event.pointerId);
    this.pointers.set(event.pointerId, event);
    const right = (event.clientX - before.clientX) / width;
    const down = (event.clientY - before.clientY) / height;
    if (other) this.pinched(before, event, other);
    else if (this.scale > 1) this.look(this.x - right / this.scale, this.y - down / this.scale, this.scale);
    else this.cut(this.percent + right * 100);
  }

  pinched(before, now, other) {
    const apart = (one) => Math.max(Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY), 1);
    const middle = { clientX: (now.clientX + other.clientX) / 2, clientY: (now.clientY + other.clientY) / 2 };
    this.zoom(apart(now) / apart(before), ...this.place(middle));
  }

  /** The wheel zooms with Ctrl, which a trackpad pinch also sends, or after a press on the stage; else it scrolls. */
  wheeled(event) {
    if (!event.ctrlKey && !event.metaKey && !this.wheels) return;
    event.preventDefault();
    const pixels = clamp(event.deltaY * (event.deltaMode ? 30 : 1), -150, 150);
    const pace = event.ctrlKey && Math.abs(pixels) < 50 ? 100 : 400; // a pinch sends small steps
    this.zoom(Math.exp(-pixels / pace), ...this.place(event));
  }

  place(event) {
    const { left, top, width, height } = this.stage.getBoundingClientRect();
    return [(event.clientX - left) / width, (event.clientY - top) / height];
  }

  backdrop(chosen, name) {
    this.root.dataset.backdrop = name;
    for (const swatch of this.root.querySelectorAll(".swatch")) {
      swatch.classList.toggle("chosen", swatch === chosen);
      if (swatch.matches("button")) swatch.setAttribute("aria-pressed", swatch === chosen);
    }
  }
}

/** Creates each viewer when its exhibit approaches the viewport, to avoid decoding hundreds of pictures at once. */
function begin() {
  document.documentElement.classList.add("js");
  const near = new IntersectionObserver(
    (entries) => {
      for (const entry of entries.filter((one) => one.isIntersecting)) {
        near.unobserve(entry.target);
        new Viewer(entry.target);
      }
    },
    { rootMargin: "100%" },
  );
  for (const viewer of document.querySelectorAll(".viewer")) near.observe(viewer.closest(".exhibit"));
  const button = document.getElementById("failures");
  button?.addEventListener("click", () => {
    const only = document.body.classList.toggle("failures");
    button.setAttribute("aria-pressed", only);
  });
}

begin();
