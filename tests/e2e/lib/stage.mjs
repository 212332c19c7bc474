// What a case stands on: the edge, the phones, the browsers, and the few moves that every case makes.
import { openPage, Softphone } from './softphone.mjs';
import { assert } from './runner.mjs';

/** Users that the registrar knows. Phones and browsers get tones of their own, so that nobody's echo is taken for the other. */
export const USERS = ['desk', 'desk2', 'baresip', 'alice', 'bob', 'leaver', ...Array.from({ length: 20 }, (_, i) => `user${i + 1}`)];
export const TONES = { phone: 440, phone2: 620, alice: 1000, bob: 1600 };

export class Stage {
  constructor(parts) {
    Object.assign(this, parts);
    this.spare = new Map();
    this.open = { softphones: new Set(), phones: new Set() };
  }

  /** A page that no other softphone uses now. Pages are used again, since Firefox takes a second to start sound in a new one. */
  async page(cleanup, kind) {
    const spare = this.spare.get(kind) ?? [];
    this.spare.set(kind, spare);
    const page = spare.pop() ?? (await openPage(this.browsers[kind], this.pageUrl));
    cleanup(() => spare.push(page));
    return page;
  }

  /** A softphone in a page of its own, registered unless told otherwise; gone after the case. */
  async softphone(cleanup, { browser, library, transport = 'ws', user = 'alice', edge = this.edge, page, register = true, start = true, ...rest }) {
    page ??= await this.page(cleanup, browser);
    const phone = await Softphone.open(page, { library, user, url: edge.urls[transport], tone: TONES[user] ?? TONES.alice, ...rest });
    this.open.softphones.add(phone);
    cleanup(async () => {
      this.open.softphones.delete(phone);
      await within(3000, phone.stop());
    });
    if (start) await phone.start({ register });
    return phone;
  }

  async phone(cleanup, user = 'desk', options = {}) {
    const phone = await this.phones.open(user, { tone: user === 'desk2' ? TONES.phone2 : TONES.phone, strict: this.edge.strict, ...options });
    this.open.phones.add(phone);
    cleanup(async () => {
      this.open.phones.delete(phone);
      await phone.close();
    });
    return phone;
  }

  /** Browser calls phone, which answers: ids of both ends. */
  async browserCallsPhone(softphone, phone, options) {
    const call = await softphone.call(phone.uri, options);
    const [{ call: far }] = await Promise.all([phone.until('incoming'), softphone.until('confirmed', { call })]);
    await phone.until('confirmed', { call: far });
    return { call, far };
  }

  /** Phone calls browser, which answers by itself (`autoAnswer`) or is told to. */
  async phoneCallsBrowser(phone, softphone, options) {
    const far = await phone.call(softphone.uri, options);
    const { call } = await softphone.until('incoming');
    if (!softphone.options.autoAnswer) await softphone.act(call, 'answer');
    await Promise.all([phone.until('confirmed', { call: far }), softphone.until('confirmed', { call })]);
    return { call, far };
  }

  /** Both ends hear one another's tone: packets and energy, each way. */
  async bothHear(softphone, call, phone, far, ms = 5000) {
    const [browser, desk] = await Promise.all([softphone.hears(call, phone.tone, ms), phone.hears(far, softphone.tone, ms)]);
    assert(phone.violations.length === 0, `the phone was shown: ${phone.violations.join('; ')}`);
    return { browser, desk };
  }

  /** Two browsers hear one another. */
  async browsersHear(a, callA, b, callB, ms = 5000) {
    const [first, second] = await Promise.all([a.hears(callA, b.tone, ms), b.hears(callB, a.tone, ms)]);
    return { first, second };
  }

  /** Messages of both sides, for a failed case. */
  async dump(write) {
    for (const phone of this.open.phones) write(`phone-${phone.name}.txt`, (await phone.log()).join('\n\n'));
    for (const softphone of this.open.softphones) write(`browser-${softphone.name}.txt`, (await within(3000, softphone.wire(200)))?.join('\n\n') ?? '');
  }
}

/** A promise that gives up quietly: for cleaning only. */
async function within(ms, promise) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

export const heard = ({ browser, desk }) => `browser heard ${browser.packets} packets at rms ${browser.rms}, phone ${desk.packets} at ${desk.rms}`;
