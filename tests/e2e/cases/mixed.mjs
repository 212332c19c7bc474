// Edges of which one half is ours: each case that a swap could break, over Kamailio with our relay and
// over our proxy with rtpengine. The cases are the same; only the name says which edge. None had to be
// left out for a fault of the other half: the choice is what fits into a minute for each edge.
import { HALF } from './matrix.mjs';
import * as basics from './basics.mjs';
import * as ending from './ending.mjs';
import * as latency from './latency.mjs';
import * as talking from './talking.mjs';
import * as traps from './traps.mjs';

export const MIXED = ['kamailio+relay', 'proxy+rtpengine'];

const CHOSEN = [
  'registers with digest',
  'browser calls phone, browser hangs up',
  'phone calls browser, phone hangs up',
  'CANCEL from the browser stops the phone ringing',
  'CANCEL from the phone stops the browser ringing',
  '486 from the phone reaches the browser',
  '486 from the browser reaches the phone',
  'early media is heard before the answer, and the call goes on after it',
  'the browser holds and resumes',
  'the phone holds and resumes',
  'a refresh by the phone is answered at the edge, and the browser hears nothing of it',
  'an ICE restart of the browser is between it and the relay',
  'RFC 4733 digits from the browser reach the phone',
  'RFC 4733 digits from the phone reach the browser',
  'INVITE is challenged after the SDP was offered, and 10 of 10 calls have audio',
];

const LATENCY = 'time from INVITE to the first decoded audio';

/** Every browser with every library is enough here: what the transports do is known from our own edge. */
const chosen = (name) => (name.includes(LATENCY) ? LATENCY : CHOSEN.find((what) => HALF.some(({ label }) => name === `${label}: ${what}`)));

export async function all(runner, stage) {
  const seen = new Set();
  const some = {
    run: (name, body, options) => {
      const what = chosen(name);
      seen.add(what);
      return what && runner.run(`${stage.edge.name}, ${name}`, body, { ...options, stage });
    },
  };
  for (const { all: run } of [basics, ending, talking, traps, latency]) await run(some, stage);
  const missing = [...CHOSEN, LATENCY].filter((what) => !seen.has(what));
  if (missing.length) throw new Error(`no case is called: ${missing.join('; ')}`);
}
