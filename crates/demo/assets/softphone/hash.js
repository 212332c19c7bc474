// MD5 and SHA-256 for SIP digest. The browser's SubtleCrypto has no MD5, and is not
// there at all on plain http pages of other hosts than localhost.

const encode = (text) => new TextEncoder().encode(text);

/** The message with its padding, as 32-bit words. */
function words(bytes, littleEndian) {
  const length = Math.ceil((bytes.length + 9) / 64) * 64;
  const view = new DataView(new ArrayBuffer(length));
  bytes.forEach((byte, i) => view.setUint8(i, byte));
  view.setUint8(bytes.length, 0x80);
  const bits = bytes.length * 8;
  const [low, high] = littleEndian ? [length - 8, length - 4] : [length - 4, length - 8];
  view.setUint32(low, bits >>> 0, littleEndian);
  view.setUint32(high, Math.floor(bits / 2 ** 32), littleEndian);
  return Array.from({ length: length / 4 }, (_, i) => view.getUint32(i * 4, littleEndian));
}

function hex(state, littleEndian) {
  const view = new DataView(new ArrayBuffer(state.length * 4));
  state.forEach((word, i) => view.setUint32(i * 4, word >>> 0, littleEndian));
  return Array.from({ length: view.byteLength }, (_, i) => view.getUint8(i).toString(16).padStart(2, '0')).join('');
}

const MD5_TURNS = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
const MD5_SINES = Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32) | 0);
const MD5_ROUNDS = [
  { mix: (b, c, d) => (b & c) | (~b & d), word: (i) => i },
  { mix: (b, c, d) => (b & d) | (c & ~d), word: (i) => (5 * i + 1) % 16 },
  { mix: (b, c, d) => b ^ c ^ d, word: (i) => (3 * i + 5) % 16 },
  { mix: (b, c, d) => c ^ (b | ~d), word: (i) => (7 * i) % 16 },
];

/** MD5 (RFC 1321) of a text's UTF-8, in hex. */
export function md5(text) {
  const input = words(encode(text), true);
  let state = [0x67452301, 0xefcdab89 | 0, 0x98badcfe | 0, 0x10325476];
  for (let block = 0; block < input.length; block += 16) {
    let [a, b, c, d] = state;
    for (let i = 0; i < 64; i++) {
      const round = i >> 4;
      const { mix, word } = MD5_ROUNDS[round];
      const sum = (a + mix(b, c, d) + MD5_SINES[i] + input[block + word(i)]) | 0;
      const turn = MD5_TURNS[round][i % 4];
      [a, d, c, b] = [d, c, b, (b + ((sum << turn) | (sum >>> (32 - turn)))) | 0];
    }
    state = [a, b, c, d].map((word, i) => (word + state[i]) | 0);
  }
  return hex(state, true);
}

/** The first 32 bits of the fractional part. */
const fraction = (x) => Math.floor((x - Math.floor(x)) * 2 ** 32) | 0;
const isPrime = (n) => { for (let i = 2; i * i <= n; i++) if (n % i === 0) return false; return true; };
const PRIMES = Array.from({ length: 310 }, (_, i) => i + 2).filter(isPrime).slice(0, 64);
const SHA256_START = PRIMES.slice(0, 8).map((p) => fraction(Math.sqrt(p)));
const SHA256_ROOTS = PRIMES.map((p) => fraction(Math.cbrt(p)));
const turned = (x, n) => (x >>> n) | (x << (32 - n));

/** SHA-256 (FIPS 180-4) of a text's UTF-8, in hex. */
export function sha256(text) {
  const input = words(encode(text), false);
  let state = [...SHA256_START];
  for (let block = 0; block < input.length; block += 16) {
    const w = input.slice(block, block + 16);
    for (let i = 16; i < 64; i++) {
      const s0 = turned(w[i - 15], 7) ^ turned(w[i - 15], 18) ^ (w[i - 15] >>> 3);
      const s1 = turned(w[i - 2], 17) ^ turned(w[i - 2], 19) ^ (w[i - 2] >>> 10);
      w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i++) {
      const s1 = turned(e, 6) ^ turned(e, 11) ^ turned(e, 25);
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + SHA256_ROOTS[i] + w[i]) | 0;
      const s0 = turned(a, 2) ^ turned(a, 13) ^ turned(a, 22);
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + t2) | 0];
    }
    state = [a, b, c, d, e, f, g, h].map((word, i) => (word + state[i]) | 0);
  }
  return hex(state, false);
}
