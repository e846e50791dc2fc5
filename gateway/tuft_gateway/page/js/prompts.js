// Which subject is meant: points on it, points beside it, and a box, drawn over the stage.

const KINDS = { point: "on the subject", beside: "not the subject", box: "a box around the subject" };
export const PROMPT_TOOLS = Object.keys(KINDS);
const MIN_BOX = 4; // pixels of the photograph: less is a click that slipped

// What is said of one photograph. Points: {kind, x, y} in its pixels, in the order in which they were set.
export class Prompts {
  points = [];
  box = null;
  #past = [];

  get empty() {
    return !this.box && !this.points.some(({ kind }) => kind === "point");
  }

  get undoable() {
    return this.#past.length > 0;
  }

  // Returns what was added, in words; null if it says nothing.
  addPoint(kind, { x, y }) {
    this.#remember();
    this.points = [...this.points, { kind, x, y }];
    return `Point ${Math.round(x)} ${Math.round(y)}, ${KINDS[kind]}`;
  }

  setBox(from, to) {
    const [x1, x2] = [from.x, to.x].sort((a, b) => a - b);
    const [y1, y2] = [from.y, to.y].sort((a, b) => a - b);
    if (x2 - x1 < MIN_BOX || y2 - y1 < MIN_BOX) return null;
    this.#remember();
    this.box = { x1, y1, x2, y2 };
    return `Box ${[x1, y1, x2, y2].map(Math.round).join(" ")}`;
  }

  undo() {
    Object.assign(this, this.#past.pop());
  }

  clear() {
    if (this.box || this.points.length) this.#remember();
    Object.assign(this, { points: [], box: null });
  }

  // The fields of the API.
  fields() {
    const fields = {};
    const at = (value) => value.toFixed(1);
    if (this.points.some(({ kind }) => kind === "point")) {
      fields.tuft_points = this.points.map(({ kind, x, y }) => `${kind === "beside" ? "not " : ""}${at(x)} ${at(y)}`).join("; ");
    }
    if (this.box) fields.tuft_box = ["x1", "y1", "x2", "y2"].map((edge) => at(this.box[edge])).join(" ");
    return fields;
  }

  #remember() {
    this.#past.push({ points: this.points, box: this.box });
  }
}

// Draws marks into `layer`; `place` maps pixels of the photograph to CSS pixels of the stage.
export function drawMarks(layer, prompts, draft, place) {
  const marks = (prompts?.points ?? []).map(({ kind, x, y }) => mark(kind, place({ x, y })));
  for (const box of [prompts?.box, draft]) {
    if (box) marks.push(frame(place({ x: box.x1, y: box.y1 }), place({ x: box.x2, y: box.y2 })));
  }
  layer.replaceChildren(...marks);
}

function mark(kind, { x, y }) {
  const element = Object.assign(document.createElement("i"), { className: kind });
  Object.assign(element.style, { left: `${x}px`, top: `${y}px` });
  return element;
}

function frame(from, to) {
  const element = Object.assign(document.createElement("i"), { className: "box" });
  const [left, right] = [from.x, to.x].sort((a, b) => a - b);
  const [top, bottom] = [from.y, to.y].sort((a, b) => a - b);
  Object.assign(element.style, { left: `${left}px`, top: `${top}px`, width: `${right - left}px`, height: `${bottom - top}px` });
  return element;
}
