// Videos: sent one after the other, each with its state in the list; what becomes of one is played and saved.

import { RequestError, explained } from "./api.js";

const POLL_MS = 500;
const ROUTE = "v1/videos";
const UNANSWERED = "The server does not answer: is it running?";

export class Videos extends EventTarget {
  items = [];

  // `options()` returns {preset, key, fast} for the next video.
  constructor(list, options) {
    super();
    this.list = list;
    this.options = options;
  }

  add(files) {
    for (const file of files) {
      const item = { file, state: "waiting", message: "waiting", progress: 0, abort: new AbortController() };
      this.#render(item);
      this.items.push(item);
    }
    this.dispatchEvent(new Event("change"));
    this.#next();
  }

  again(item) {
    Object.assign(item, { state: "waiting", message: "waiting", progress: 0, code: "", abort: new AbortController() });
    this.#update(item);
    this.#next();
  }

  // Cancels a video, and takes it off the list.
  remove(item) {
    item.abort.abort();
    if (item.url) URL.revokeObjectURL(item.url);
    const at = this.items.indexOf(item);
    const focused = item.row.root.contains(document.activeElement);
    this.items.splice(at, 1);
    item.row.root.remove();
    this.dispatchEvent(new Event("change"));
    if (focused) this.#focusNear(at);
    this.#next();
  }

  // Keyboards and screen readers go on where the video was.
  #focusNear(at) {
    const near = this.items[at] ?? this.items[at - 1];
    const inputs = [...document.querySelectorAll("input.files")].filter((input) => input.checkVisibility());
    (near?.row.remove ?? inputs[0])?.focus();
  }

  #next() {
    if (this.items.some(({ state }) => state === "running")) return;
    const item = this.items.find(({ state }) => state === "waiting");
    if (item) this.#run(item);
  }

  async #run(item) {
    const { signal } = item.abort;
    const { key, ...asked } = this.options();
    item.state = "running";
    const say = (message, progress) => {
      Object.assign(item, { message, progress });
      this.#update(item);
    };
    let address = null;
    try {
      say("sending", 0);
      address = await sent(item.file, asked, key, signal, (share) => say("sending", share));
      await done(address, key, signal, ({ state, frames_done, frames }) =>
        say(state === "waiting" ? "waiting" : `${frames_done} of ${frames || "?"} frames`, frames ? frames_done / frames : 0),
      );
      say("fetching", 1);
      const blob = await (await asking(`${address}/result`, key, { signal })).blob();
      item.url = URL.createObjectURL(blob);
      item.state = "done";
      say("done", 1);
    } catch (error) {
      if (!signal.aborted) {
        Object.assign(item, { state: "failed", code: error.code ?? "" });
        say(error.message, 0);
      }
    }
    if (address) asking(address, key, { method: "DELETE" }).catch(() => {}); // the server need not keep it
    if (signal.aborted) return;
    this.dispatchEvent(new CustomEvent("end", { detail: item }));
    this.#next();
  }

  #render(item) {
    const { name } = item.file;
    const [title, state] = [made("h3", { textContent: name }), made("p", { className: "state" })];
    const progress = made("progress", { max: 1 });
    progress.setAttribute("aria-label", `Progress of ${name}`);
    const player = made("video", { controls: true, loop: true, playsInline: true, hidden: true });
    player.setAttribute("aria-label", `${name} without its background`);
    const save = made("a", { className: "button primary", textContent: "Download", hidden: true });
    save.download = `${name.replace(/\.[^.]{1,5}$/, "")}-cutout.webm`;
    const retry = made("button", { type: "button", textContent: "Try again", hidden: true });
    const remove = made("button", { type: "button" });
    retry.addEventListener("click", () => this.again(item));
    remove.addEventListener("click", () => this.remove(item));
    const actions = made("div", { className: "group" });
    actions.append(save, retry, remove);
    const root = document.createElement("li");
    root.append(title, state, progress, player, actions);
    item.row = { root, state, progress, player, save, retry, remove };
    this.list.append(root);
    this.#update(item);
  }

  #update(item) {
    const { root, state, progress, player, save, retry, remove } = item.row;
    root.className = item.state;
    state.textContent = item.message;
    progress.value = item.progress;
    progress.hidden = !["running", "waiting"].includes(item.state);
    retry.hidden = item.state !== "failed";
    remove.textContent = item.state === "running" ? "Cancel" : "Remove";
    for (const each of [save, retry, remove]) each.setAttribute("aria-label", `${each.textContent}: ${item.file.name}`);
    save.hidden = player.hidden = item.state !== "done";
    if (item.url && !player.src) player.src = save.href = item.url;
  }
}

// Sends a video; returns the address of its job. XMLHttpRequest reports the progress of the upload.
function sent(file, { preset, fast }, key, signal, onProgress) {
  const query = new URLSearchParams({ format: "webm", fast: String(fast), ...(preset ? { tuft_preset: preset } : {}) });
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `${ROUTE}?${query}`);
    if (key) request.setRequestHeader("X-API-Key", key);
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onerror = () => reject(new RequestError(UNANSWERED));
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    request.onload = () => {
      if (request.status === 202) resolve(`${ROUTE}/${JSON.parse(request.responseText).id}`);
      else reject(explained(request.status, Number(request.getResponseHeader("Retry-After")), request.responseText, key));
    };
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(file);
  });
}

// Waits until a job has ended well.
async function done(address, key, signal, onState) {
  for (;;) {
    const job = await (await asking(address, key, { signal })).json();
    if (job.state === "done") return;
    if (!["waiting", "running"].includes(job.state)) throw explained(0, 0, JSON.stringify(job), key);
    onState(job);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function asking(address, key, options) {
  const headers = key ? { "X-API-Key": key } : {};
  const answer = await fetch(address, { ...options, headers, cache: "no-store" }).catch((error) => {
    throw error.name === "AbortError" ? error : new RequestError(UNANSWERED);
  });
  if (!answer.ok) throw explained(answer.status, Number(answer.headers.get("Retry-After")), await answer.text(), key);
  return answer;
}

function made(tag, properties) {
  return Object.assign(document.createElement(tag), properties);
}
