// The harness's hand on a softphone in a browser's page.
import { DOMAIN, passwordOf } from './registrar.mjs';

let serial = 0;

/** A page that can hold several softphones. */
export async function openPage(browser, url) {
  const page = await browser.newPage();
  page.on('pageerror', (error) => console.error(`  page error: ${error.message}`));
  await page.goto(url);
  return page;
}

export class Softphone {
  /** options: library, url, user, tone, video (JsSIP's only), password or token, autoAnswer, contactTransport. */
  static async open(page, options) {
    const phone = new Softphone(page, options);
    const own = { domain: DOMAIN, password: options.token ? undefined : passwordOf(options.user), ...options };
    await page.evaluate((name, given) => window.softphones.open(name, given), phone.name, own);
    return phone;
  }

  constructor(page, options) {
    Object.assign(this, { page, options });
    this.name = `${options.user}#${++serial}`;
    this.uri = `sip:${options.user}@${DOMAIN}`;
    for (const method of ['start', 'register', 'call', 'act', 'hears', 'hearsDigit', 'receives', 'sees', 'reported', 'silent', 'figures', 'isCutOff', 'comesBack', 'losesItsSocket', 'stop'])
      this[method] = (...args) => this.invoke(method, args);
  }

  get tone() {
    return this.options.tone;
  }

  invoke(method, args) {
    while (args.length && args.at(-1) === undefined) args.pop();
    return this.page.evaluate((name, verb, given) => window.softphones.invoke(name, verb, given), this.name, method, args);
  }

  /** Waits for an event of a call, or of the softphone itself when `call` is left out. */
  until(event, { call = null, ms = 5000 } = {}) {
    return this.invoke('until', [call, event, ms]);
  }

  wire(count) {
    return this.page.evaluate((n) => window.softphones.wire(n), count);
  }
}
