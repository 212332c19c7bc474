// Everything heard or measured by Web Audio: the microphone, a test tone in its place,
// ringing, and the level of a stream.

let context;

/** The one AudioContext. Browsers keep it silent until the user touched the page. */
function audio() {
  context ??= new AudioContext();
  if (context.state === 'suspended') context.resume().catch(() => {});
  return context;
}

/** Lets sound out; to be called from a click. */
export const unlock = () => void audio();

/** The microphone, or a sentence (as Error) that says why there is none and what to do. */
export async function microphone() {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error('This page may not use a microphone: browsers allow it only on https or on localhost. Open the https address, or tick "test tone".');
  }
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch (error) {
    throw new Error({
      NotAllowedError: 'Microphone refused: allow it in the address bar, then call again. Or tick "test tone".',
      NotFoundError: 'No microphone found: plug one in, or tick "test tone".',
      NotReadableError: 'The microphone is in use by another program: close that, or tick "test tone".',
    }[error.name] ?? `The microphone cannot be used (${error.message}).`);
  }
}

/** A little melody in place of the microphone. */
export function testTone() {
  const ctx = audio();
  const target = ctx.createMediaStreamDestination();
  const gain = new GainNode(ctx, { gain: 0.25 });
  const tone = new OscillatorNode(ctx, { type: 'triangle' });
  tone.connect(gain).connect(target);
  const notes = [440, 554.4, 659.3, 880, 659.3, 554.4];
  const start = ctx.currentTime;
  let at = 0;
  const schedule = () => {
    for (; at < ctx.currentTime - start + 2; at += 0.3) {
      tone.frequency.setValueAtTime(notes[Math.round(at / 0.3) % notes.length], start + at);
    }
  };
  schedule();
  const timer = setInterval(schedule, 1000);
  tone.start();
  const [track] = target.stream.getAudioTracks();
  const stop = track.stop.bind(track);
  track.stop = () => {
    clearInterval(timer);
    tone.stop();
    stop();
  };
  return target.stream;
}

const RINGS = {
  // What a caller hears in most of Europe, and a softer pair of tones for the called one.
  ringback: { tones: [425], on: 1, every: 4, gain: 0.08 },
  incoming: { tones: [523.3, 659.3], on: 1.2, every: 3, gain: 0.15 },
};

/** Starts ringing; the function returned ends it. */
export function ring(name) {
  const { tones, on, every, gain } = RINGS[name];
  const ctx = audio();
  const volume = new GainNode(ctx, { gain: 0 });
  volume.connect(ctx.destination);
  const oscillators = tones.map((frequency) => new OscillatorNode(ctx, { frequency }));
  for (const oscillator of oscillators) {
    oscillator.connect(volume);
    oscillator.start();
  }
  const once = () => {
    const now = ctx.currentTime;
    volume.gain.setTargetAtTime(gain, now, 0.02);
    volume.gain.setTargetAtTime(0, now + on, 0.02);
  };
  once();
  const timer = setInterval(once, every * 1000);
  return () => {
    clearInterval(timer);
    for (const oscillator of oscillators) oscillator.stop();
    volume.disconnect();
  };
}

/** A function that says how loud a stream is just now: 0 (silence, -60 dB) to 1. */
export function levelOf(stream) {
  const ctx = audio();
  const analyser = new AnalyserNode(ctx, { fftSize: 1024 });
  const source = ctx.createMediaStreamSource(stream);
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const level = () => {
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, x) => sum + x * x, 0) / samples.length;
    return Math.min(Math.max(1 + (10 * Math.log10(power + 1e-12)) / 60, 0), 1);
  };
  level.close = () => source.disconnect();
  return level;
}
