// The phone's RTP: sends a tone (or what it hears) in G.711, and keeps what is needed to judge
// what it hears: packets, loss, loudness, frequency, digits, RTCP.
import dgram from 'node:dgram';
import { randomBytes } from 'node:crypto';
import { G711, decode, encode } from './g711.mjs';
import { dominant, isHeard, judge } from './tone.mjs';

const RATE = 8000;
const FRAME = 160;
const FRAME_MS = 20;
const WINDOW = RATE * 0.2;
const DIGITS = '0123456789*#ABCD';
/** A quarter of a second: longer than the window that a browser's sound is judged by. */
const DIGIT_FRAMES = 12;

let nextPort = 20000;

const bind = (socket, port, address) =>
  new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, address, () => resolve(socket.off('error', reject)));
  });

export class Media {
  /** Opens an even port and the next one for RTCP (RFC 3550 11). */
  static async open(address, options) {
    for (;;) {
      const port = nextPort;
      nextPort = nextPort >= 29998 ? 20000 : nextPort + 2;
      const sockets = [dgram.createSocket('udp4'), dgram.createSocket('udp4')];
      try {
        await bind(sockets[0], port, address);
        await bind(sockets[1], port + 1, address);
        return new Media(sockets, port, options);
      } catch (error) {
        sockets.forEach((s) => s.close());
        if (error.code !== 'EADDRINUSE') throw error;
      }
    }
  }

  constructor([rtp, rtcp], port, { tone, echo, onDigit }) {
    Object.assign(this, { rtp, rtcp, port, tone, echo, onDigit });
    this.sending = false;
    this.ssrc = randomBytes(4).readUInt32BE();
    this.sequence = randomBytes(2).readUInt16BE();
    this.timestamp = randomBytes(4).readUInt32BE();
    this.sample = 0;
    this.sent = 0;
    this.window = new Float32Array(WINDOW);
    this.filled = 0;
    this.heard = { packets: 0, lost: 0, reordered: 0, rtcp: 0, violations: [], firstAudioAt: undefined, lastAt: 0 };
    this.sources = new Map();
    this.waiters = new Set();
    this.pendingDigits = [];
    this.seenDigits = new Set();
    this.echoes = [];
    rtp.on('message', (packet, from) => this.receive(packet, from));
    rtcp.on('message', (packet) => this.receiveRtcp(packet));
  }

  /** Where to send and what, from the peer's SDP. */
  point({ address, port, rtcpPort, codecs, digits }, direction) {
    this.peer = { address, port, rtcpPort };
    this.codecType = codecs[0];
    this.digitsType = digits;
    const sends = direction === 'sendrecv' || direction === 'sendonly';
    if (sends && !this.sending) this.start();
    if (!sends) this.stop();
  }

  start() {
    this.sending = true;
    this.began = performance.now();
    this.frames = 0;
    this.timer = setInterval(() => this.tick(), FRAME_MS / 2);
    this.tick();
  }

  stop() {
    this.sending = false;
    clearInterval(this.timer);
  }

  close() {
    this.stop();
    for (const waiter of this.waiters) waiter.fail('the call ended');
    this.rtp.close();
    this.rtcp.close();
  }

  /** Sends every frame that is due: the clock decides, not the timer. */
  tick() {
    const due = Math.floor((performance.now() - this.began) / FRAME_MS) + 1;
    while (this.frames < due) {
      this.frames += 1;
      if (this.frames % 100 === 50) this.sendReport();
      if (this.pendingDigits.length) this.sendDigitFrame();
      else this.sendFrame();
    }
  }

  sendFrame() {
    if (this.echo) {
      const payload = this.echoes.shift();
      if (payload) this.send(this.codecType, payload, false);
    } else {
      const step = (2 * Math.PI * this.tone) / RATE;
      const samples = Array.from({ length: FRAME }, (_, i) => 0.4 * Math.sin(step * (this.sample + i)));
      this.send(this.codecType, encode(G711[this.codecType], samples), this.sent === 0);
    }
    this.sample += FRAME;
    this.timestamp = (this.timestamp + FRAME) >>> 0;
  }

  /** One packet of an event (RFC 4733 2.5.1): the timestamp stays, the duration grows, the end is sent three times. */
  sendDigitFrame() {
    const event = this.pendingDigits[0];
    event.frames += 1;
    const duration = Math.min(event.frames, DIGIT_FRAMES) * FRAME;
    const end = event.frames >= DIGIT_FRAMES;
    const payload = Buffer.from([event.code, (end ? 0x80 : 0) | 10, duration >> 8, duration & 0xff]);
    event.timestamp ??= this.timestamp;
    this.send(this.digitsType, payload, event.frames === 1, event.timestamp);
    this.sample += FRAME;
    this.timestamp = (this.timestamp + FRAME) >>> 0;
    if (event.frames >= DIGIT_FRAMES + 2) {
      this.pendingDigits.shift();
      event.done();
    }
  }

  send(type, payload, marker, timestamp = this.timestamp) {
    const header = Buffer.alloc(12);
    header[0] = 0x80;
    header[1] = (marker ? 0x80 : 0) | type;
    header.writeUInt16BE(this.sequence, 2);
    header.writeUInt32BE(timestamp, 4);
    header.writeUInt32BE(this.ssrc, 8);
    this.sequence = (this.sequence + 1) & 0xffff;
    this.sent += 1;
    this.rtp.send(Buffer.concat([header, payload]), this.peer.port, this.peer.address);
  }

  /** A sender report with nothing heard in it (RFC 3550 6.4.1), and a CNAME as every compound needs. */
  sendReport() {
    const sr = Buffer.alloc(28);
    sr[0] = 0x80;
    sr[1] = 200;
    sr.writeUInt16BE(6, 2);
    sr.writeUInt32BE(this.ssrc, 4);
    const now = Date.now() / 1000 + 2208988800;
    sr.writeUInt32BE(Math.floor(now) >>> 0, 8);
    sr.writeUInt32BE(Math.floor((now % 1) * 2 ** 32) >>> 0, 12);
    sr.writeUInt32BE(this.timestamp, 16);
    sr.writeUInt32BE(this.sent, 20);
    sr.writeUInt32BE(this.sent * FRAME, 24);
    const sdes = Buffer.alloc(16);
    sdes[0] = 0x81;
    sdes[1] = 202;
    sdes.writeUInt16BE(3, 2);
    sdes.writeUInt32BE(this.ssrc, 4);
    sdes[8] = 1;
    sdes[9] = 5;
    sdes.write('phone', 10);
    this.rtcp.send(Buffer.concat([sr, sdes]), this.peer.rtcpPort, this.peer.address);
  }

  receive(packet) {
    if (packet.length < 12 || packet[0] >> 6 !== 2) return this.violate(`not RTP: ${packet.subarray(0, 12).toString('hex')}`);
    const type = packet[1] & 0x7f;
    if (type >= 64 && type <= 95) return this.violate('RTCP on the RTP port');
    if (packet[0] & 0x10) this.violate('a header extension in plain RTP');
    const header = 12 + 4 * (packet[0] & 0x0f) + (packet[0] & 0x10 ? 4 + 4 * packet.readUInt16BE(14 + 4 * (packet[0] & 0x0f)) : 0);
    this.heard.packets += 1;
    this.heard.lastAt = performance.now();
    this.count(packet.readUInt32BE(8), packet.readUInt16BE(2));
    const payload = packet.subarray(header);
    if (type === this.digitsType) return this.receiveDigit(packet.readUInt32BE(4), payload);
    const codec = G711[type];
    if (!codec) return this.violate(`payload type ${type}`);
    if (this.echo && this.echoes.length < 10) this.echoes.push(payload);
    this.listen(decode(codec, payload));
  }

  receiveRtcp(packet) {
    if (packet.length < 8 || packet[0] >> 6 !== 2 || packet[1] < 200 || packet[1] > 207) return this.violate('not RTCP on the RTCP port');
    this.heard.rtcp += 1;
  }

  violate(reason) {
    if (this.heard.violations.length < 20) this.heard.violations.push(reason);
  }

  /** Loss by sequence numbers, for each source. */
  count(ssrc, sequence) {
    const source = this.sources.get(ssrc);
    if (!source) return this.sources.set(ssrc, { next: (sequence + 1) & 0xffff });
    const ahead = (sequence - source.next) & 0xffff;
    if (ahead < 0x8000) {
      this.heard.lost += ahead;
      source.next = (sequence + 1) & 0xffff;
    } else {
      this.heard.reordered += 1;
      this.heard.lost -= 1;
    }
    return source;
  }

  listen(samples) {
    this.window.copyWithin(0, samples.length);
    this.window.set(samples, Math.max(0, WINDOW - samples.length));
    this.filled = Math.min(WINDOW, this.filled + samples.length);
    if (this.heard.firstAudioAt === undefined && samples.some((s) => Math.abs(s) > 0.05)) this.heard.firstAudioAt = Date.now();
    if (this.filled === WINDOW) for (const waiter of this.waiters) waiter.look();
  }

  receiveDigit(timestamp, payload) {
    const key = timestamp;
    if (this.seenDigits.has(key) || !(payload[1] & 0x80)) return;
    this.seenDigits.add(key);
    this.onDigit(DIGITS[payload[0]] ?? `event ${payload[0]}`);
  }

  /** Resolves when `frequency` is heard in a whole new window; rejects with what was heard instead. */
  hears(frequency, ms) {
    this.filled = 0;
    const began = this.heard.packets;
    return this.waitFor(ms, () => {
      const verdict = judge(this.window, frequency, RATE);
      return isHeard(verdict) && { ...verdict, packets: this.heard.packets - began, lost: this.heard.lost };
    }, () => `${frequency} Hz was not heard: ${this.heard.packets - began} packets, ${dominant(this.window, RATE)} Hz, ${JSON.stringify(judge(this.window, frequency, RATE))}`);
  }

  /** Resolves when `count` more packets have come; tells how many were lost, ever. */
  receives(count, ms) {
    const began = this.heard.packets;
    return this.waitFor(ms, () => this.heard.packets >= began + count && { packets: this.heard.packets, lost: this.heard.lost },
      () => `${this.heard.packets - began} of ${count} packets came`);
  }

  /** Resolves when RTCP has come to the RTCP port. */
  reported(ms) {
    return this.waitFor(ms, () => this.heard.rtcp > 0 && { rtcp: this.heard.rtcp }, () => 'no RTCP came to the RTCP port');
  }

  /** Resolves when no packet with sound has come for a whole window of `quietMs`. */
  async silent(quietMs, ms) {
    const until = performance.now() + ms;
    let quietSince = performance.now();
    let packets = this.heard.packets;
    while (performance.now() < until) {
      await new Promise((r) => setTimeout(r, 20));
      if (this.heard.packets !== packets) [packets, quietSince] = [this.heard.packets, performance.now()];
      if (performance.now() - quietSince >= quietMs) return { quietMs };
    }
    throw new Error(`still hearing packets after ${ms} ms`);
  }

  waitFor(ms, test, complaint) {
    return new Promise((resolve, reject) => {
      const finish = (settle, value) => {
        clearTimeout(timer);
        this.waiters.delete(waiter);
        settle(value);
      };
      const waiter = {
        look: () => {
          const result = test();
          if (result) finish(resolve, result);
        },
        fail: (why) => finish(reject, new Error(`${complaint()} (${why})`)),
      };
      const timer = setTimeout(() => waiter.fail(`${ms} ms passed`), ms);
      this.waiters.add(waiter);
    });
  }

  /** Sends digits one after the other. */
  dial(digits) {
    return Promise.all([...digits].map((d) => new Promise((done) => this.pendingDigits.push({ code: DIGITS.indexOf(d), frames: 0, done }))));
  }

  figures() {
    return { ...this.heard, sent: this.sent, sources: this.sources.size };
  }
}
