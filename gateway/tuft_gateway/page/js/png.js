// Writes PNG with straight alpha. A canvas stores colours multiplied by alpha, and would lose them where alpha is low.
// The format: https://www.w3.org/TR/png-3/

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const RGBA = 6;
const [SUB, UP] = [1, 2];

const CRC = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

// RGBA bytes to a blob.
export async function encodePng(pixels, width, height) {
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, 8);
  header.setUint8(9, RGBA);
  const rows = new Blob([filtered(pixels, width, height)]).stream();
  const compressed = await new Response(rows.pipeThrough(new CompressionStream("deflate"))).arrayBuffer();
  const chunks = [
    chunk("IHDR", new Uint8Array(header.buffer)),
    chunk("sRGB", Uint8Array.of(0)),
    chunk("IDAT", new Uint8Array(compressed)),
    chunk("IEND", new Uint8Array(0)),
  ];
  return new Blob([Uint8Array.from(SIGNATURE), ...chunks.flat()], { type: "image/png" });
}

// Each row as differences to the left or to the row above, whichever are smaller in sum.
function filtered(pixels, width, height) {
  const stride = width * 4;
  const rows = new Uint8Array((stride + 1) * height);
  for (let y = 0; y < height; y++) {
    const from = y * stride;
    let [left, above] = [0, 0];
    for (let at = from; at < from + stride; at += 4) {
      const green = pixels[at + 1];
      left += Math.abs(green - (at > from ? pixels[at - 3] : 0));
      above += Math.abs(green - (y > 0 ? pixels[at + 1 - stride] : 0));
    }
    const distance = y > 0 && above < left ? stride : 4;
    let to = y * (stride + 1);
    rows[to++] = distance === 4 ? SUB : UP;
    for (let at = from; at < from + stride; at++) {
      const outside = distance === 4 && at - from < 4;
      rows[to++] = pixels[at] - (outside ? 0 : pixels[at - distance]);
    }
  }
  return rows;
}

function chunk(name, content) {
  const head = new Uint8Array(8);
  new DataView(head.buffer).setUint32(0, content.length);
  for (let at = 0; at < 4; at++) head[4 + at] = name.charCodeAt(at);
  const tail = new Uint8Array(4);
  new DataView(tail.buffer).setUint32(0, checksum(head.subarray(4), content));
  return [head, content, tail];
}

function checksum(...parts) {
  let value = 0xffffffff;
  for (const bytes of parts) for (const byte of bytes) value = CRC[(value ^ byte) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}
