// Tones and the one question asked of every sound: is this tone in it, and how loud is it?
//
// Used by the phone on G.711 at 8 kHz and by the page on the browser's decoded sound at
// whatever rate it runs, so that both ends are judged by the same arithmetic.

/** Root mean square of samples in -1..1. */
export function loudness(samples) {
  let sum = 0;
  for (const s of samples) sum += s * s;
  return samples.length ? Math.sqrt(sum / samples.length) : 0;
}

/**
 * The share (0..1) of the samples' energy that lies at `frequency` (Goertzel). A pure tone gives
 * nearly 1, silence and other tones nearly 0.
 */
export function share(samples, frequency, rate) {
  const step = (2 * Math.PI * frequency) / rate;
  const factor = 2 * Math.cos(step);
  let older = 0;
  let old = 0;
  let energy = 0;
  for (const s of samples) {
    const next = s + factor * old - older;
    older = old;
    old = next;
    energy += s * s;
  }
  if (energy < 1e-9) return 0;
  const power = old * old + older * older - factor * old * older;
  return Math.min(1, (2 * power) / (samples.length * energy));
}

/** The strongest frequency in the telephone band, to 25 Hz: for messages, not for judging. */
export function dominant(samples, rate) {
  let best = 0;
  let most = 0.05;
  for (let f = 200; f <= 3400; f += 25) {
    const s = share(samples, f, rate);
    if (s > most) {
      most = s;
      best = f;
    }
  }
  return best;
}

/** What is said about a window of sound. */
export function judge(samples, frequency, rate) {
  return {
    rms: Number(loudness(samples).toFixed(4)),
    share: Number(share(samples, frequency, rate).toFixed(3)),
  };
}

/** A tone counts as heard above these: half of the energy at its frequency, and not a whisper. */
export const HEARD = { share: 0.5, rms: 0.02 };

export const isHeard = (verdict) => verdict.share >= HEARD.share && verdict.rms >= HEARD.rms;
