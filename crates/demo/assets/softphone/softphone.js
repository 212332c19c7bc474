// The softphone without its looks: the account, the one call, and its live figures.
// Tests drive it as `window.softphone`.

import { Agent } from './agent.js';
import { Call } from './call.js';
import { Media } from './media.js';
import { levelOf, microphone, ring, testTone } from './sound.js';
import { figures } from './stats.js';

const FIGURES_EVERY = 500;
const TRACE_LENGTH = 200;

export class Softphone {
  agent;
  current;
  stats = {};
  problem = '';
  /** Sends a melody in place of the microphone. */
  testTone = false;
  /** Messages sent and received, newest last: { number, time, way, line, text }. */
  trace = [];
  /** ms from the 200 to the first packet heard; negative with early media. */
  firstAudio;

  #changed;
  #ring;
  #timer;
  #levels = {};
  #traced = 0;
  #firstPacket;

  /** `changed()` is called after each change; `url` is that of the WebSocket. */
  constructor(url, changed) {
    this.url = url;
    this.#changed = changed;
  }

  // --- what tests and the view look at ----------------------------------------------------

  get connected() {
    return this.agent?.connected ?? false;
  }

  get registered() {
    return this.agent?.registered ?? false;
  }

  get registerProblem() {
    return this.agent?.problem ?? '';
  }

  /** idle, calling, ringing, incoming, connecting or active. */
  get callState() {
    return this.current?.state ?? 'idle';
  }

  /** Whether we hold the call, as the other side has agreed: while we ask, it is still as before. */
  get held() {
    const { media, isAsking } = this.current ?? {};
    return media !== undefined && media.onHold !== isAsking;
  }

  get heldByThem() {
    return this.callState === 'active' && this.current.media.heldByThem;
  }

  /**
   * How loud it is, 0 to 1: what we send and what we hear. Web Audio knows at once, but is
   * silent before the first click and on machines without a sound device; the statistics know.
   */
  get levels() {
    if (this.callState === 'idle') return { sent: 0, received: 0 };
    const { levelSent = 0, levelReceived = 0 } = this.stats;
    return {
      sent: this.#levels.sent?.() || levelSent,
      received: this.#levels.received?.() || levelReceived,
    };
  }

  // --- what the user does -----------------------------------------------------------------

  async register(account) {
    await this.unregister();
    this.problem = '';
    this.agent = new Agent({ url: this.url, ...account }, {
      state: () => this.#changed(),
      trace: (way, text) => this.#record(way, text),
      incoming: (invite) => this.#incoming(invite),
    });
    this.agent.start();
    this.#changed();
  }

  async unregister({ now = false } = {}) {
    this.hangUp();
    const { agent } = this;
    this.agent = undefined;
    this.#changed();
    await agent?.stop(now);
  }

  async call(number) {
    if (this.current || !this.agent || !number) return;
    this.problem = '';
    this.#forgetFigures();
    // Nobody else may take the place while the browser asks for the microphone.
    const place = { state: 'calling', peer: number, outgoing: true, hangUp: () => { this.current = undefined; } };
    this.current = place;
    this.#changed();
    const media = await this.#openMedia();
    if (this.current !== place) return media?.close();
    this.current = undefined;
    if (media) this.#begin(Call.place(this.agent, () => this.#called(), number, media));
    else this.#changed();
  }

  async accept() {
    const call = this.current;
    if (this.callState !== 'incoming') return;
    const media = await this.#openMedia();
    if (media) await call.accept(media);
    else this.#changed();
  }

  hangUp() {
    this.current?.hangUp();
    this.#changed();
  }

  hold(hold = !this.held) {
    return this.current?.hold?.(hold);
  }

  digit(digit) {
    this.current?.digit?.(digit);
  }

  // --- how it goes on ---------------------------------------------------------------------

  #incoming(invite) {
    if (this.current) return void this.agent.respond(invite, 486, 'Busy Here', { tag: 'busy' });
    this.problem = '';
    this.#forgetFigures();
    this.#begin(Call.incoming(this.agent, () => this.#called(), invite));
  }

  #forgetFigures() {
    this.stats = {};
    this.firstAudio = undefined;
    this.#firstPacket = undefined;
  }

  #begin(call) {
    this.current = call;
    this.#timer = setInterval(() => this.#measure(call), FIGURES_EVERY);
    this.#called();
  }

  /** After each change of the call. */
  #called() {
    const call = this.current;
    if (call?.isOver) {
      clearInterval(this.#timer);
      this.problem ||= call.problem;
      this.current = undefined;
      // The figures stay to be read, but nothing is connected any more.
      if (this.stats.ice) this.stats = { ...this.stats, ice: 'closed', dtls: 'closed' };
      for (const level of Object.values(this.#levels)) level.close();
      this.#levels = {};
    } else if (call?.media?.failed) {
      this.problem = 'No media path: the ICE or DTLS connection to the relay failed. Is its address reachable from here?';
      return call.hangUp();
    }
    this.#soundRing();
    this.#changed();
  }

  #soundRing() {
    const name = this.callState === 'incoming' ? 'incoming'
      : this.callState === 'ringing' && !this.current.earlyMedia ? 'ringback' : undefined;
    if (this.#ring?.name === name) return;
    this.#ring?.stop();
    this.#ring = name && { name, stop: ring(name) };
  }

  async #openMedia() {
    try {
      const stream = this.testTone ? testTone() : await microphone();
      this.#levels.sent = levelOf(stream);
      return new Media(stream, {
        changed: () => this.#called(),
        track: (track, remote) => this.#heard(track, remote),
      });
    } catch (error) {
      this.problem = error.message;
      return undefined;
    }
  }

  /** The other side's track is there: measure its level, note when its first packet comes. */
  #heard(track, remote) {
    this.#levels.received ??= levelOf(remote);
    track.addEventListener('unmute', () => { this.#firstPacket ??= performance.now(); });
  }

  async #measure(call) {
    if (!call.media || call.isOver) return;
    const now = await figures(call.media);
    if (this.current !== call) return;
    this.stats = now;
    if (call.answeredAt && this.#firstPacket) this.firstAudio ??= this.#firstPacket - call.answeredAt;
    this.#changed();
  }

  #record(way, text) {
    this.#traced += 1;
    this.trace.push({ number: this.#traced, time: new Date(), way, line: text.split('\r\n', 1)[0], text });
    this.trace.splice(0, Math.max(this.trace.length - TRACE_LENGTH, 0));
    this.#changed();
  }
}
