// The page's scripted softphones: one interface over both libraries, called by the harness.
import { answeredAt, invitedAt, now, sockets, wire } from './wire.js';
import { JsSipPhone } from './jssip.js';
import { soundIsReady } from './sound.js';
import { SipJsPhone } from './sipjs.js';

const LIBRARIES = { 'sip.js': SipJsPhone, jssip: JsSipPhone };

/** Events that were told and those who wait for one. */
class Events {
  constructor() {
    this.told = [];
    this.waiting = new Set();
  }

  tell(event, detail) {
    this.told.push({ event, at: now(), ...detail });
    for (const look of this.waiting) look();
  }

  /** Takes the first event of this name, waiting for it if need be. */
  until(event, ms) {
    return new Promise((resolve, reject) => {
      const look = () => {
        const at = this.told.findIndex((e) => e.event === event);
        if (at < 0) return;
        done();
        resolve(this.told.splice(at, 1)[0]);
      };
      const timer = setTimeout(() => {
        done();
        reject(new Error(`no '${event}' in ${ms} ms; told: ${JSON.stringify(this.told)}`));
      }, ms);
      const done = () => {
        clearTimeout(timer);
        this.waiting.delete(look);
      };
      this.waiting.add(look);
      look();
    });
  }
}

class Softphone {
  constructor(options) {
    this.options = options;
    this.events = new Events();
    this.calls = new Map();
    this.phone = new LIBRARIES[options.library](options, {
      onCall: (make, outgoing) => this.adopt(make, outgoing),
      onEvent: (event, detail) => this.events.tell(event, detail),
    });
  }

  adopt(make, outgoing = false) {
    const id = String(this.calls.size + 1);
    const events = new Events();
    const call = make((event, detail) => events.tell(event, detail));
    this.calls.set(id, { id, call, events });
    if (!outgoing) {
      this.events.tell('incoming', { call: id, callId: call.callId });
      if (this.options.autoAnswer) call.answer().catch((error) => events.tell('ended', { error: String(error) }));
    }
    return id;
  }

  async start({ register = true } = {}) {
    await this.phone.start();
    return register ? this.phone.register() : undefined;
  }

  register() {
    return this.phone.register();
  }

  async call(target, options) {
    const id = this.phone.call(target, options);
    await this.calls.get(id).call.invite();
    return id;
  }

  async act(id, method, ...args) {
    return (await this.find(id)[method](...args)) && true;
  }

  find(id) {
    const found = this.calls.get(id);
    if (!found) throw new Error(`no call ${id}`);
    return found.call;
  }

  until(id, event, ms) {
    const events = id === null ? this.events : this.calls.get(id).events;
    return events.until(event, ms);
  }

  ear(id) {
    const { ear } = this.find(id);
    if (!ear) throw new Error(`call ${id} has no media`);
    return ear;
  }

  hears(id, frequency, ms) {
    return this.ear(id).hears(frequency, ms);
  }

  sees(id, frames, ms) {
    return this.ear(id).sees(frames, ms);
  }

  reported(id, ms) {
    return this.ear(id).reported(ms);
  }

  receives(id, count, ms) {
    return this.ear(id).receives(count, ms);
  }

  hearsDigit(id, frequencies, ms) {
    return this.ear(id).hearsDigit(frequencies, ms);
  }

  silent(id, quietMs, ms) {
    return this.ear(id).silent(quietMs, ms);
  }

  async figures(id) {
    const call = this.find(id);
    const ear = this.ear(id);
    return { ...(await ear.stats()), callId: call.callId, invitedAt: invitedAt(call.callId), answeredAt: answeredAt(call.callId), connectedAt: ear.connectedAt, firstAudioAt: ear.firstAudioAt };
  }

  /** Cuts the newest socket below the library. */
  async isCutOff() {
    const gone = this.events.until('disconnected', 5000);
    sockets.at(-1).close();
    await gone;
  }

  /** Comes back over a new one, registers again. */
  async comesBack() {
    await this.phone.reconnect();
  }

  async losesItsSocket() {
    await this.isCutOff();
    await this.comesBack();
  }

  stop() {
    return this.phone.stop();
  }
}

const softphones = new Map();

window.softphones = {
  async open(name, options) {
    await soundIsReady();
    softphones.set(name, new Softphone(options));
  },
  invoke(name, method, args) {
    return softphones.get(name)[method](...args);
  },
  wire: (count = 40) => wire.slice(-count).map((m) => `${new Date(m.at).toISOString()} ${m.direction}\n${m.data}`),
};
