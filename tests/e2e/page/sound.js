// What the page says and hears: a tone of its own to send, and an ear on each remote track.
import { dominant, isHeard, judge } from '../phone/tone.mjs';
import { now } from './wire.js';

/** Packets that must have come while the tone was heard: a fifth of a second of sound. */
const ENOUGH = 10;

let context;
const theContext = () => (context ??= new AudioContext());

/** Resolves when sound flows: Firefox takes half a second to open its device. */
export async function soundIsReady() {
  const ctx = theContext();
  while (ctx.state !== 'running' || ctx.currentTime === 0) await new Promise((r) => setTimeout(r, 10));
}

/** A stream with one track that carries a sine tone; a new track for each call, since libraries stop it. */
export function toneStream(frequency) {
  const ctx = theContext();
  const oscillator = new OscillatorNode(ctx, { frequency });
  const gain = new GainNode(ctx, { gain: 0.4 });
  const destination = ctx.createMediaStreamDestination();
  oscillator.connect(gain).connect(destination);
  oscillator.start();
  return destination.stream;
}

/** Adds a track with a moving picture: a square that goes round. */
export function withPicture(stream) {
  const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 240 });
  const pen = canvas.getContext('2d');
  const [track] = canvas.captureStream(15).getVideoTracks();
  let step = 0;
  const draw = () => {
    pen.fillStyle = 'black';
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.fillStyle = 'orange';
    pen.fillRect((step += 7) % canvas.width, (3 * step) % canvas.height, 60, 60);
    if (track.readyState === 'ended') clearInterval(timer);
  };
  const timer = setInterval(draw, 66);
  stream.addTrack(track);
  return stream;
}

/** Listens to whatever audio a peer connection receives. */
export class Ear {
  constructor(pc) {
    this.pc = pc;
    this.firstAudioAt = undefined;
    pc.addEventListener('connectionstatechange', () => pc.connectionState === 'connected' && (this.connectedAt ??= now()));
    pc.addEventListener('track', (event) => event.track.kind === 'audio' && this.attach(event));
  }

  attach({ track, receiver }) {
    if (this.analyser) return;
    this.receiver = receiver;
    this.watchFirst(receiver);
    const stream = new MediaStream([track]);
    // Chromium feeds a remote track to Web Audio only while a media element plays it.
    this.element = new Audio();
    this.element.srcObject = stream;
    this.element.muted = true;
    this.element.play().catch(() => {});
    this.analyser = new AnalyserNode(theContext(), { fftSize: 8192 });
    theContext().createMediaStreamSource(stream).connect(this.analyser);
    this.samples = new Float32Array(this.analyser.fftSize);
  }

  /** The first packet that was decoded and played out, looked for every few milliseconds. */
  watchFirst(receiver) {
    const look = () => {
      const [source] = receiver.getSynchronizationSources();
      if (source && (source.audioLevel === undefined || source.audioLevel > 0.001)) this.firstAudioAt ??= now();
      if (this.firstAudioAt !== undefined || this.pc.signalingState === 'closed') clearInterval(timer);
    };
    const timer = setInterval(look, 4);
  }

  listen(frequency) {
    if (!this.analyser) return { rms: 0, share: 0 };
    this.analyser.getFloatTimeDomainData(this.samples);
    return judge(this.samples, frequency, theContext().sampleRate);
  }

  /** Resolves when the tone is heard; rejects with what was heard instead. */
  async hears(frequency, ms) {
    const until = now() + ms;
    const began = (await this.stats()).packetsReceived;
    for (;;) {
      const verdict = this.listen(frequency);
      if (isHeard(verdict)) {
        const { packetsReceived, packetsLost } = await this.stats();
        if (packetsReceived >= began + ENOUGH) return { ...verdict, packets: packetsReceived - began, lost: packetsLost };
      }
      if (now() > until) {
        const heard = this.analyser ? dominant(this.samples, theContext().sampleRate) : 'no track';
        throw new Error(`${frequency} Hz was not heard in ${ms} ms: ${heard} Hz, ${JSON.stringify(verdict)}, ${JSON.stringify(await this.stats())}`);
      }
      await new Promise((r) => setTimeout(r, 10));
    }
  }

  /** Resolves when `count` more packets have come; tells how many were lost, ever. */
  async receives(count, ms) {
    const until = now() + ms;
    const began = (await this.stats()).packetsReceived;
    for (;;) {
      const { packetsReceived, packetsLost } = await this.stats();
      if (packetsReceived >= began + count) return { packets: packetsReceived, lost: packetsLost };
      if (now() > until) throw new Error(`${packetsReceived - began} of ${count} packets came in ${ms} ms`);
      await new Promise((r) => setTimeout(r, 50));
    }
  }

  /** Resolves when the far end's sender report has come (RFC 3550 6.4.1): what it says it sent. */
  async reported(ms) {
    const until = now() + ms;
    for (;;) {
      for (const entry of (await this.pc.getStats()).values())
        if (entry.type === 'remote-outbound-rtp' && entry.packetsSent > 0) return { packetsSent: entry.packetsSent };
      if (now() > until) throw new Error(`the browser saw no sender report in ${ms} ms`);
      await new Promise((r) => setTimeout(r, 100));
    }
  }

  /** Resolves when both frequencies of a digit fill most of the sound (ITU-T Q.23). */
  async hearsDigit([low, high], ms) {
    const until = now() + ms;
    let best = 0;
    while (now() < until) {
      const [first, second] = [this.listen(low), this.listen(high)];
      const both = first.share + second.share;
      best = Math.max(best, both);
      if (both > 0.5 && Math.min(first.share, second.share) > 0.1) return { share: both, rms: first.rms };
      await new Promise((r) => setTimeout(r, 10));
    }
    throw new Error(`the digit was not heard in ${ms} ms: at most ${best.toFixed(2)} of the sound was at ${low} and ${high} Hz`);
  }

  /** Resolves when no packet has come for `quietMs`. */
  async silent(quietMs, ms) {
    const until = now() + ms;
    let since = now();
    let packets = (await this.stats()).packetsReceived;
    while (now() - since < quietMs) {
      if (now() > until) throw new Error(`still receiving packets after ${ms} ms`);
      await new Promise((r) => setTimeout(r, 30));
      const { packetsReceived } = await this.stats();
      if (packetsReceived !== packets) [packets, since] = [packetsReceived, now()];
    }
    return { quietMs };
  }

  /** Resolves when so many pictures have come; tells over how many transports all media go. */
  async sees(frames, ms) {
    const until = now() + ms;
    for (;;) {
      const entries = [...(await this.pc.getStats()).values()];
      const decoded = entries.find((entry) => entry.type === 'inbound-rtp' && entry.kind === 'video')?.framesDecoded ?? 0;
      const transports = new Set(this.pc.getTransceivers().map((one) => one.sender.transport));
      if (decoded >= frames) return { frames: decoded, transports: transports.size };
      if (now() > until) throw new Error(`${decoded} of ${frames} pictures came in ${ms} ms: ${JSON.stringify(await this.stats())}`);
      await new Promise((r) => setTimeout(r, 50));
    }
  }

  async stats() {
    const out = {
      packetsReceived: 0, packetsLost: 0, packetsSent: 0, audioEnergy: 0, roundTripTime: undefined,
      ice: this.pc.iceConnectionState, connection: this.pc.connectionState, signaling: this.pc.signalingState,
    };
    if (this.pc.signalingState === 'closed') return out;
    const report = await this.pc.getStats();
    for (const entry of report.values()) {
      if (entry.type === 'inbound-rtp') {
        out.packetsReceived += entry.packetsReceived ?? 0;
        out.packetsLost += entry.packetsLost ?? 0;
        out.audioEnergy += entry.totalAudioEnergy ?? 0;
        out.samples = entry.totalSamplesReceived;
        out.codec ??= report.get(entry.codecId)?.mimeType;
      } else if (entry.type === 'outbound-rtp') {
        out.packetsSent += entry.packetsSent ?? 0;
      } else if (entry.type === 'remote-inbound-rtp') {
        out.roundTripTime = entry.roundTripTime;
        out.remoteLost = entry.packetsLost;
      } else if (entry.type === 'transport') {
        out.dtls = entry.dtlsState;
        out.srtp = entry.srtpCipher;
      }
    }
    return out;
  }
}
