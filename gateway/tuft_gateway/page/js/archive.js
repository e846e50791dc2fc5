// Reads a zip through its central directory: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT

const END = 0x06054b50;
const END_BYTES = 22;
const ENTRY_BYTES = 46;
const STORED = 0;

// Returns a Map from names to blobs.
export async function readZip(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const view = new DataView(bytes.buffer);
  const end = findEnd(view);
  const files = new Map();
  let at = view.getUint32(end + 16, true);
  for (let number = view.getUint16(end + 10, true); number > 0; number--) {
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true));
    const name = new TextDecoder().decode(bytes.subarray(at + ENTRY_BYTES, at + ENTRY_BYTES + nameBytes));
    files.set(name, await content(bytes, view, at));
    at += ENTRY_BYTES + nameBytes + extraBytes + commentBytes;
  }
  return files;
}

function findEnd(view) {
  for (let at = view.byteLength - END_BYTES; at >= 0; at--) {
    if (view.getUint32(at, true) === END) return at;
  }
  throw new Error("The server's answer is not a zip.");
}

async function content(bytes, view, entry) {
  const method = view.getUint16(entry + 10, true);
  const sizeBytes = view.getUint32(entry + 20, true);
  const header = view.getUint32(entry + 42, true);
  const start = header + 30 + view.getUint16(header + 26, true) + view.getUint16(header + 28, true);
  const stored = new Blob([bytes.subarray(start, start + sizeBytes)]);
  if (method === STORED) return stored;
  return new Response(stored.stream().pipeThrough(new DecompressionStream("deflate-raw"))).blob();
}
