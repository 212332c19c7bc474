// The harness's hand on the strict phones, which live in a process of their own.
import { fileURLToPath } from 'node:url';
import { ADDRESSES } from './net.mjs';
import { DOMAIN, passwordOf } from './registrar.mjs';
import { start } from './processes.mjs';

const HOST = fileURLToPath(new URL('../phone/host.mjs', import.meta.url));

export class PhoneHost {
  static async start(run, registrar) {
    const host = new PhoneHost(registrar);
    host.process = start(run, 'phones', run.names.phones, process.execPath, [HOST], { ipc: true });
    host.process.child.on('message', (message) => host.receive(message));
    await new Promise((resolve, reject) => {
      host.ready = resolve;
      host.process.ended.then(() => reject(new Error('the phones\' process ended')));
    });
    return host;
  }

  constructor(registrar) {
    this.registrar = registrar;
    this.asked = new Map();
    this.phones = new Map();
    this.count = 0;
  }

  receive(message) {
    if (message.ready) return this.ready();
    if (message.event) return this.phones.get(message.phone)?.tell(message.event, message.detail);
    const { resolve, reject } = this.asked.get(message.id);
    this.asked.delete(message.id);
    if (message.error) reject(new Error(message.error));
    else resolve(message.result);
  }

  ask(phone, method, args) {
    const id = ++this.count;
    while (args.length && args.at(-1) === undefined) args.pop();
    return new Promise((resolve, reject) => {
      this.asked.set(id, { resolve, reject });
      this.process.child.send({ id, phone, method, args });
    });
  }

  /** A phone, registered unless told otherwise. */
  async open(user, options = {}) {
    const phone = new RemotePhone(this, user);
    this.phones.set(phone.name, phone);
    const own = { user, password: passwordOf(user), domain: DOMAIN, address: ADDRESSES.phones, network: ADDRESSES.phonesNetwork, registrar: this.registrar };
    phone.options = { tone: 440, ...own, ...options };
    phone.contact = await this.ask(phone.name, 'open', [phone.options]);
    if (options.register !== false) {
      const status = await phone.register();
      if (status !== 200) throw new Error(`the registrar answered the phone's REGISTER with ${status}`);
    }
    return phone;
  }
}

let serial = 0;

export class RemotePhone {
  constructor(host, user) {
    this.host = host;
    this.name = `${user}#${++serial}`;
    this.uri = `sip:${user}@${DOMAIN}`;
    this.told = [];
    this.waiting = new Set();
    for (const method of ['register', 'behave', 'call', 'answer', 'refuse', 'cancel', 'bye', 'info', 'reinvite', 'hears', 'receives', 'reported', 'silent', 'dial', 'figures', 'log'])
      this[method] = (...args) => host.ask(this.name, method, args);
  }

  get tone() {
    return this.options.tone;
  }

  tell(event, detail) {
    this.told.push({ event, ...detail });
    for (const look of this.waiting) look();
  }

  /** Takes the first event of this name (and call), waiting for it if need be. */
  until(event, { call, ms = 5000 } = {}) {
    return this.untilWith(event, (e) => call === undefined || e.call === call, ms);
  }

  untilWith(event, test, ms = 5000) {
    return new Promise((resolve, reject) => {
      const look = () => {
        const at = this.told.findIndex((e) => e.event === event && test(e));
        if (at < 0) return;
        done();
        resolve(this.told.splice(at, 1)[0]);
      };
      const timer = setTimeout(() => {
        done();
        reject(new Error(`the phone saw no '${event}' in ${ms} ms; it saw ${JSON.stringify(this.told)}`));
      }, ms);
      const done = () => {
        clearTimeout(timer);
        this.waiting.delete(look);
      };
      this.waiting.add(look);
      look();
    });
  }

  /** What the strict eye found in any body so far. */
  get violations() {
    return this.told.filter((e) => e.event === 'violation').flatMap((e) => e.found);
  }

  async close() {
    await this.register(0);
    await this.host.ask(this.name, 'close', []);
    this.host.phones.delete(this.name);
  }
}
