// The photographs: sent two at a time, tried again when the server is busy, each with its state in the list.

import { removeBackground, untilReady } from "./api.js";
import { readZip } from "./archive.js";
import { canvas } from "./decode.js";
import { Prompts } from "./prompts.js";

const AT_ONCE = 2;
const MAX_TRIES = 8; // of a server that is busy or still loading its models
const READY_S = 20; // for which a try waits; large models load for minutes
const THUMBNAIL = 104;

export class Queue extends EventTarget {
  items = [];
  chosen = null;

  // `options()` returns {preset, key} for the next request.
  constructor(list, options) {
    super();
    this.list = list;
    this.options = options;
  }

  add(files) {
    for (const file of files) {
      const item = { file, state: "waiting", progress: 0, message: "waiting", tries: 0, archive: null, edits: null };
      item.prompts = new Prompts();
      this.#render(item);
      this.items.push(item);
      thumbnail(item.row.canvas, file).catch(() => {});
    }
    if (!this.chosen && this.items.length) this.choose(this.items[0]);
    this.#next();
  }

  choose(item) {
    this.chosen = item;
    for (const each of this.items) this.#update(each);
    this.dispatchEvent(new Event("choose"));
  }

  // Sends a photograph again, for example with another preset; its edits are lost.
  again(item) {
    item.abort?.abort();
    Object.assign(item, { state: "waiting", message: "waiting", progress: 0, tries: 0, archive: null, edits: null });
    this.#update(item);
    if (item === this.chosen) this.dispatchEvent(new Event("choose"));
    this.#next();
  }

  remove(item) {
    item.abort?.abort();
    clearTimeout(item.timer);
    const at = this.items.indexOf(item);
    this.items.splice(at, 1);
    item.row.root.remove();
    if (item === this.chosen) this.choose(this.items[at] ?? this.items[at - 1] ?? null);
    this.dispatchEvent(new Event("change"));
    this.#next();
  }

  get finished() {
    return this.items.filter(({ state }) => state === "done");
  }

  #next() {
    const running = this.items.filter(({ state }) => state === "running").length;
    const waiting = this.items.filter(({ state }) => state === "waiting");
    for (const item of waiting.slice(0, AT_ONCE - running)) this.#send(item);
  }

  async #send(item) {
    const abort = new AbortController();
    Object.assign(item, { state: "running", message: "sending", progress: 0, abort });
    this.#update(item);
    const prompt = item.prompts.fields();
    const onProgress = (share) => {
      item.progress = share;
      item.message = share < 1 ? "sending" : "removing the background";
      this.#update(item);
    };
    try {
      const answer = await removeBackground(item.file, { ...this.options(), prompt, signal: abort.signal, onProgress });
      Object.assign(item, { state: "done", message: answer.preset ? `done: ${answer.preset}` : "done", ...answer });
      await cutoutThumbnail(item.row.canvas, answer.archive);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.#failed(item, error);
    }
    this.#update(item);
    this.dispatchEvent(new CustomEvent("end", { detail: item }));
    if (item === this.chosen) this.dispatchEvent(new Event("choose"));
    this.#next();
  }

  #failed(item, error) {
    item.tries += 1;
    if (!error.retryAfterS || item.tries >= MAX_TRIES) {
      Object.assign(item, { state: "failed", message: error.message, code: error.code });
    } else if (error.status === 503) {
      Object.assign(item, { state: "later", message: "the server is not ready: waiting for it" });
      untilReady(READY_S).then(() => this.#waitsAgain(item));
    } else {
      Object.assign(item, { state: "later", message: `the server is busy: again in ${error.retryAfterS} s` });
      item.timer = setTimeout(() => this.#waitsAgain(item), 1000 * error.retryAfterS);
    }
  }

  #waitsAgain(item) {
    if (item.state !== "later") return; // it was removed or sent again meanwhile
    item.state = "waiting";
    this.#next();
  }

  #render(item) {
    const root = document.createElement("li");
    const picture = canvas(THUMBNAIL, THUMBNAIL);
    picture.setAttribute("aria-hidden", "true");
    const name = button(item.file.name || "pasted picture", () => this.choose(item));
    name.className = "name";
    const state = Object.assign(document.createElement("p"), { className: "state" });
    const progress = Object.assign(document.createElement("progress"), { max: 1 });
    progress.setAttribute("aria-label", `Progress of ${item.file.name}`);
    const text = document.createElement("div");
    text.append(name, state, progress);
    const retry = button("Try again", () => this.again(item));
    const remove = button("Remove", () => this.remove(item));
    for (const each of [retry, remove]) each.setAttribute("aria-label", `${each.textContent}: ${item.file.name}`);
    const actions = Object.assign(document.createElement("div"), { className: "actions" });
    actions.append(retry, remove);
    root.append(picture, text, actions);
    this.list.append(root);
    item.row = { root, canvas: picture, name, state, progress, retry };
    this.#update(item);
  }

  #update(item) {
    const { root, name, state, progress, retry } = item.row;
    root.classList.toggle("chosen", item === this.chosen);
    root.classList.toggle("failed", item.state === "failed");
    name.setAttribute("aria-current", String(item === this.chosen));
    state.textContent = item.message;
    progress.hidden = item.state !== "running";
    // How long the network takes is not known: from the end of the upload on the bar shows no share.
    if (item.progress < 1) progress.value = item.progress;
    else progress.removeAttribute("value");
    retry.hidden = item.state !== "failed";
    this.dispatchEvent(new CustomEvent("change", { detail: item }));
  }
}

function button(text, action) {
  const element = Object.assign(document.createElement("button"), { type: "button", textContent: text });
  element.addEventListener("click", action);
  return element;
}

async function thumbnail(target, blob) {
  const picture = await createImageBitmap(blob);
  const scale = Math.min(THUMBNAIL / picture.width, THUMBNAIL / picture.height);
  const [width, height] = [picture.width * scale, picture.height * scale];
  const context = target.getContext("2d", { willReadFrequently: true });
  context.clearRect(0, 0, THUMBNAIL, THUMBNAIL);
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, (THUMBNAIL - width) / 2, (THUMBNAIL - height) / 2, width, height);
  picture.close();
  return context.getImageData(0, 0, THUMBNAIL, THUMBNAIL);
}

async function cutoutThumbnail(target, archive) {
  const parts = await readZip(archive);
  const alpha = await thumbnail(target, parts.get("alpha.png"));
  const colour = await thumbnail(target, parts.get("color.jpg"));
  for (let at = 0; at < colour.data.length; at += 4) colour.data[at + 3] = alpha.data[at] * (alpha.data[at + 3] / 255);
  target.getContext("2d").putImageData(colour, 0, 0);
}
