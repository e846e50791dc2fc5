// The gateway's API, as any other client uses it: a photograph in, a zip of colour and alpha out.

const NO_KEY = "This server asks for an API key: enter it under Quality.";
const NO_SUCH_KEY = "There is no such API key, or it has been revoked: enter another one.";

// One sentence for a person, and whether to try again by itself.
export class RequestError extends Error {
  constructor(message, { status = 0, code = "", retryAfterS = null } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfterS = retryAfterS;
  }
}

const READY_POLL_MS = 250;

// Returns {archive, preset, agreement}; `prompt`: the fields that say which subject is meant. `onProgress` gets the share of the upload that was sent, 0 to 1.
// XMLHttpRequest, because fetch() does not report the progress of an upload.
export function removeBackground(file, { preset, key, prompt = {}, signal, onProgress }) {
  const form = new FormData();
  form.append("image_file", file, file.name);
  form.append("size", "50MP");
  form.append("format", "zip");
  if (preset) form.append("tuft_preset", preset);
  for (const [name, value] of Object.entries(prompt)) form.append(name, value);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "v1.0/removebg");
    request.responseType = "blob";
    if (key) request.setRequestHeader("X-API-Key", key);
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onerror = () => reject(new RequestError("The server does not answer: is it running?"));
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    request.onload = () => {
      if (request.status === 200) {
        const said = request.getResponseHeader("X-Tuft-Prompt-Agreement");
        const agreement = said === null ? null : Number(said);
        resolve({ archive: request.response, preset: request.getResponseHeader("X-Tuft-Preset") ?? "", agreement });
      } else {
        refusal(request, key).then(reject);
      }
    };
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    request.send(form);
  });
}

// Waits until the server's models are loaded, at most `seconds`: loading takes seconds, and asking costs nothing.
export async function untilReady(seconds) {
  for (const end = Date.now() + 1000 * seconds; Date.now() < end; ) {
    const answer = await fetch("ready", { cache: "no-store" }).catch(() => null);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
  }
}

// What the server takes: {points: rather than boxes alone, videos}.
export async function offers() {
  const answer = await fetch("ready", { cache: "no-store" }).catch(() => null);
  const told = await answer?.json().catch(() => null);
  return { points: told?.prompts?.includes("points") ?? false, videos: told?.videos ?? false };
}

async function refusal(request, key) {
  return explained(request.status, Number(request.getResponseHeader("Retry-After")), await request.response.text(), key);
}

// The error of an answer that is none of success.
export function explained(status, retryAfter, body, key) {
  const facts = { status };
  if (status === 429 || status === 503) facts.retryAfterS = Math.min(Math.max(retryAfter || 1, 1), 60);
  let sentence = `The server answered with status ${status}.`;
  try {
    const { title, detail, code } = JSON.parse(body).errors[0];
    sentence = [title, detail].filter(Boolean).join(": ");
    facts.code = code ?? "";
    // The answer speaks to programs; a person has a field for the key.
    if (code === "auth_failed") sentence = key ? NO_SUCH_KEY : NO_KEY;
  } catch {
    // Not the gateway's own answer, but for example that of a proxy: the status is all there is.
  }
  return new RequestError(sentence, facts);
}
