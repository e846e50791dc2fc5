// Wires the page: what is chosen in the forms, the queue of photographs, and the stage.

import { downloadZip } from "../vendor/client-zip.js";
import { offers } from "./api.js";
import { loadMatte } from "./decode.js";
import { pictureFile } from "./picture.js";
import { Queue } from "./queue.js";
import { Stage } from "./stage.js";
import { Videos } from "./videos.js";

const $ = (id) => document.getElementById(id);
const ids = ["stage", "world", "backdrop", "subject", "before", "divider", "cursor", "marks"];
const stage = new Stage(Object.fromEntries(ids.map((id) => [id, $(id)])));
const queue = new Queue($("queue"), () => ({ preset: $("preset").value, key: $("key").value }));
const videos = new Videos($("clips"), () => ({ preset: $("preset").value, key: $("key").value, fast: $("fast").checked }));
const backdrop = { kind: "transparent", colour: $("colour").value, picture: null };
const ANNOUNCED_MS = 6000;
const AGREES = 0.5; // below it the server has used the selection alone
let quiet = 0;
let shown = null; // the item on the stage
let loading = 0;
let takesVideos = false;

// In: chosen, dropped anywhere, pasted.
function add(files) {
  const pictures = [...files].filter(({ type, name }) => type.startsWith("image/") || /\.(heic|heif|avif|tiff?)$/i.test(name));
  const clips = takesVideos ? [...files].filter(({ type, name }) => type.startsWith("video/") || /\.(mkv|mov|avi|ts)$/i.test(name)) : [];
  const known = pictures.length + clips.length;
  if (known < files.length) announce(takesVideos ? "Only pictures and videos can be added." : "Only pictures can be added.");
  if (clips.length) videos.add(clips);
  if (!pictures.length) return;
  delete document.body.dataset.empty;
  queue.add(pictures);
}

for (const input of document.querySelectorAll("input.files")) {
  input.addEventListener("change", () => {
    add([...input.files]);
    input.value = "";
  });
}
addEventListener("paste", (event) => add([...event.clipboardData.files]));
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.toggle("dragging", event.dataTransfer.types.includes("Files"));
});
addEventListener("dragleave", (event) => event.relatedTarget ?? document.body.classList.remove("dragging"));
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  add([...event.dataTransfer.files]);
});

// The chosen photograph: first as it is, then its cut-out.
queue.addEventListener("choose", () => show(queue.chosen).catch((error) => notice(error.message, true)));
queue.addEventListener("change", ({ detail }) => {
  $("download-all").disabled = !queue.finished.length;
  if (detail && detail === queue.chosen && detail.state !== "done") notice(detail.message, detail.state === "failed");
  document.body.toggleAttribute("data-empty", !queue.items.length);
});
queue.addEventListener("end", ({ detail: item }) => {
  const doubt = item.state === "done" && item.agreement !== null && item.agreement < AGREES;
  announce(`${item.file.name}: ${item.message}${doubt ? "; the network sees another subject there: look at the edge" : ""}`);
  if (item.code === "tuft_points_unavailable") offerPoints(false);
  else if (item.state === "done") offers().then(({ points }) => offerPoints(points));
  askForKey(item);
});

function askForKey({ code }) {
  if (code !== "auth_failed") return;
  delete document.body.dataset.empty; // the field is among the tools
  $("key-form").hidden = false;
  $("key").focus();
}

// Videos, if the server takes them.
offers().then((offered) => {
  takesVideos = offered.videos;
  $("choose-video").hidden = !takesVideos;
});
videos.addEventListener("change", () => ($("videos").hidden = !videos.items.length));
videos.addEventListener("end", ({ detail: item }) => {
  announce(`${item.file.name}: ${item.message}`);
  askForKey(item);
});
for (const input of [$("behind"), $("behind-colour")]) input.addEventListener("input", showBehind);

function showBehind() {
  const kind = $("behind").value;
  $("behind-colour").hidden = kind !== "colour";
  $("clips").className = kind;
  $("clips").style.setProperty("--behind", $("behind-colour").value);
}

async function show(item) {
  const turn = ++loading;
  keepEdits();
  shown = null;
  stage.prompts = item?.prompts ?? null;
  buttons();
  $("editor-title").textContent = item ? item.file.name : "No photograph chosen";
  $("facts").textContent = "";
  if (!item) return stage.preview(null);
  if (item.state !== "done") {
    notice(item.message, item.state === "failed");
    const picture = await createImageBitmap(item.file).catch(() => null);
    if (turn === loading) stage.preview(picture);
    return;
  }
  notice("opening");
  const matte = await loadMatte(item.file, item.archive, item.edits);
  if (turn !== loading) return; // another photograph was chosen meanwhile
  shown = item;
  notice("");
  stage.show(matte);
  $("facts").textContent = `${matte.width} × ${matte.height}${item.preset ? ` · ${item.preset}` : ""}`;
  if (matte.photo === matte.foreground) announce("This browser cannot open the file itself: its background cannot be blurred, and restoring stops at the server’s matte.");
}

function keepEdits() {
  if (shown && stage.matte) shown.edits = stage.matte.edits;
}

// Background.
for (const radio of document.querySelectorAll("[name=background]")) {
  radio.addEventListener("change", () => {
    backdrop.kind = radio.value;
    $("colour-field").hidden = radio.value !== "colour";
    $("picture-field").hidden = radio.value !== "picture";
    applyBackdrop();
  });
}
$("colour").addEventListener("input", () => {
  backdrop.colour = $("colour").value;
  applyBackdrop();
});
$("picture").addEventListener("change", async () => {
  try {
    backdrop.picture = await createImageBitmap($("picture").files[0]);
    applyBackdrop();
  } catch {
    announce("This browser cannot open that picture: choose a JPEG, PNG or WebP.");
  }
});

function chosenBackdrop() {
  const fixed = { white: "#ffffff", black: "#000000" }[backdrop.kind];
  return fixed ? { kind: "colour", colour: fixed } : { ...backdrop };
}

function applyBackdrop() {
  stage.backdrop = chosenBackdrop();
  $("format-note").hidden = $("format").value !== "jpeg" || backdrop.kind !== "transparent";
}

// Comparison, zoom and brush.
$("compare").addEventListener("input", () => (stage.compare = Number($("compare").value)));
$("zoom-in").addEventListener("click", () => stage.zoom(1.25));
$("zoom-out").addEventListener("click", () => stage.zoom(1 / 1.25));
$("zoom-fit").addEventListener("click", () => stage.fit());
stage.addEventListener("view", () => ($("zoom").textContent = `${Math.round(stage.scale * 100)} %`));
stage.addEventListener("change", buttons);
stage.addEventListener("tool", ({ detail }) => chooseTool(detail));
stage.addEventListener("resize", ({ detail }) => {
  $("brush-size").value = Math.round(stage.brush.size * detail);
  stage.brush.size = Number($("brush-size").value);
  announce(`Brush: ${stage.brush.size} pixels`);
});
for (const radio of document.querySelectorAll("[name=tool]")) {
  radio.addEventListener("change", () => stage.choose(radio.value));
}
$("brush-size").addEventListener("input", () => (stage.brush.size = Number($("brush-size").value)));
$("brush-softness").addEventListener("input", () => (stage.brush.softness = $("brush-softness").value / 100));
for (const step of ["undo", "redo", "reset"]) $(step).addEventListener("click", () => stage.step(step));

// Which subject is meant: each mark is sent at once, so that the next one refines what it gave.
stage.addEventListener("point", ({ detail: { kind, at } }) => prompted((prompts) => prompts.addPoint(kind, at)));
stage.addEventListener("box", ({ detail: { from, to } }) => prompted((prompts) => prompts.setBox(from, to)));
$("prompt-undo").addEventListener("click", () => prompted((prompts) => (prompts.undo(), "Last mark taken back")));
$("prompt-clear").addEventListener("click", () => prompted((prompts) => (prompts.clear(), "All marks taken back")));

function prompted(change) {
  const item = queue.chosen;
  if (!item) return;
  const before = JSON.stringify(item.prompts.fields());
  const said = change(item.prompts);
  stage.prompts = item.prompts;
  buttons();
  if (!said) return announce("That box is too small: draw it around the subject.");
  const fields = JSON.stringify(item.prompts.fields());
  announce(fields === "{}" && item.prompts.points.length ? `${said}: now click on the subject` : said);
  if (fields === before) return;
  shown = null; // edits belong to the earlier cut-out
  queue.again(item);
}

const POINTS_HELP = $("prompt-help").textContent;
const BOXES_HELP = "Draw a box around the subject that is meant. Points need SAM 2 on the server.";

function offerPoints(does) {
  for (const tool of ["point", "beside"]) {
    const radio = document.querySelector(`[name=tool][value=${tool}]`);
    radio.disabled = !does;
    if (radio.checked && !does) chooseTool("box");
  }
  $("prompt-help").textContent = does ? POINTS_HELP : BOXES_HELP;
}

function chooseTool(tool) {
  const radio = document.querySelector(`[name=tool][value=${tool}]`);
  if (radio.disabled) return announce(BOXES_HELP);
  radio.checked = true;
  stage.choose(tool);
  announce(tool);
}

function buttons() {
  const matte = shown && stage.matte;
  $("undo").disabled = !matte?.past.length;
  $("redo").disabled = !matte?.future.length;
  $("reset").disabled = !matte?.past.length;
  $("download").disabled = !matte;
  $("prompt-undo").disabled = !queue.chosen?.prompts.undoable;
  $("prompt-clear").disabled = !(queue.chosen?.prompts.box || queue.chosen?.prompts.points.length);
  $("again").disabled = !queue.chosen || !["done", "failed"].includes(queue.chosen.state);
}

// Out.
$("format").addEventListener("change", applyBackdrop);
$("crop").addEventListener("change", () => ($("margin-field").hidden = !$("crop").checked));
$("again").addEventListener("click", () => queue.again(queue.chosen));
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const refused = ({ code, state }) => state === "failed" && code === "auth_failed";
  for (const list of [queue, videos]) for (const item of list.items.filter(refused)) list.again(item);
});
$("download").addEventListener("click", () => busy(async () => save(await pictureFile(stage.matte, shown.file.name, fileOptions()))));
$("download-all").addEventListener("click", () =>
  busy(async () => save({ name: "cutouts.zip", blob: await downloadZip(allFiles(fileOptions())).blob() })),
);

function fileOptions() {
  const marginPercent = $("crop").checked ? Number($("margin").value) : null;
  return { format: $("format").value, backdrop: chosenBackdrop(), marginPercent };
}

// One after the other: each is decoded only while its file is written.
async function* allFiles(options) {
  keepEdits();
  const names = new Map();
  for (const item of queue.finished) {
    const matte = await loadMatte(item.file, item.archive, item.edits);
    const { name, blob } = await pictureFile(matte, item.file.name, options);
    const uses = names.get(name) ?? 0;
    names.set(name, uses + 1);
    yield { name: uses ? name.replace(/(\.[a-z]+)$/, `-${uses + 1}$1`) : name, input: blob, lastModified: new Date() };
  }
}

function save({ name, blob }) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  announce(`Saved: ${name}`);
}

async function busy(work) {
  document.body.setAttribute("aria-busy", "true");
  try {
    await work();
  } catch (error) {
    notice(error.message, true);
    announce(error.message);
  } finally {
    document.body.removeAttribute("aria-busy");
  }
}

function notice(text, failed = false) {
  $("notice").textContent = text;
  $("notice").classList.toggle("failed", failed);
}

// For the eye and for screen readers; it goes by itself.
function announce(text) {
  $("live").textContent = text;
  clearTimeout(quiet);
  quiet = setTimeout(() => ($("live").textContent = ""), ANNOUNCED_MS);
}

buttons();
