// Which browsers, libraries and transports a case is run with.
import { BROWSERS } from '../lib/browser.mjs';

const LIBRARIES = ['sip.js', 'jssip'];
const TRANSPORTS = ['ws', 'wss'];

const all = BROWSERS.flatMap((browser) =>
  LIBRARIES.flatMap((library) => TRANSPORTS.map((transport) => ({ browser, library, transport, label: `${browser}, ${library}, ${transport}` }))),
);

/** All eight. */
export const COMBINATIONS = all;

/** Four: every browser with every library, each browser and each library over both transports. */
export const HALF = all.filter(({ browser, library, transport }) => (browser === 'chromium') === ((library === 'sip.js') === (transport === 'wss')));
