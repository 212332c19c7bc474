// G.711 (ITU-T): mu-law and A-law, one byte for each sample, as floats in -1..1.

function muDecode(byte) {
  const u = ~byte & 0xff;
  const magnitude = (((u & 0x0f) << 3) + 0x84) << ((u & 0x70) >> 4);
  return (u & 0x80 ? 0x84 - magnitude : magnitude - 0x84) / 32768;
}

function aDecode(byte) {
  const a = byte ^ 0x55;
  const segment = (a & 0x70) >> 4;
  let magnitude = ((a & 0x0f) << 4) + 8;
  if (segment > 0) magnitude = (magnitude + 0x100) << (segment - 1);
  return (a & 0x80 ? magnitude : -magnitude) / 32768;
}

const tableOf = (decode) => Float32Array.from({ length: 256 }, (_, byte) => decode(byte));

/** A whole encoder by looking for the nearest code: 65,536 entries made once. */
function encoderOf(table) {
  const codes = [...table.keys()].sort((x, y) => table[x] - table[y]);
  const out = new Uint8Array(65536);
  let at = 0;
  for (let pcm = -32768; pcm < 32768; pcm++) {
    const value = pcm / 32768;
    while (at + 1 < 256 && Math.abs(table[codes[at + 1]] - value) <= Math.abs(table[codes[at]] - value)) at++;
    out[pcm + 32768] = codes[at];
  }
  return out;
}

const MU = tableOf(muDecode);
const A = tableOf(aDecode);
const TO_MU = encoderOf(MU);
const TO_A = encoderOf(A);

/** Codecs by static payload type (RFC 3551, table 4). */
export const G711 = {
  0: { name: 'PCMU', decode: MU, encode: TO_MU },
  8: { name: 'PCMA', decode: A, encode: TO_A },
};

export const decode = (codec, payload) => Float32Array.from(payload, (byte) => codec.decode[byte]);

export const encode = (codec, samples) =>
  Buffer.from(samples.map((s) => codec.encode[Math.max(0, Math.min(65535, Math.round(s * 32767) + 32768))]));
