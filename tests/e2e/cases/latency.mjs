// From INVITE to the first decoded audio, ours beside the anchor's in the same run.
import { BROWSERS } from '../lib/browser.mjs';
import { assert, median, spread } from '../lib/runner.mjs';

const CALLS = 10;
const ROUNDS = 3;
/** No slower than the anchor on a machine that is slow itself, but for chance. */
const alike = (ms) => ms * 1.25 + 25;

export async function all(runner, stage) {
  const { edge, anchor } = stage;
  for (const browser of BROWSERS) {
    for (const direction of ['from the browser', 'to the browser']) {
      await runner.run(`${browser}: time from INVITE to the first decoded audio, calls ${direction}`, async () => {
        let own = await measure(stage, edge, browser, direction);
        // A busy machine may spoil a round: the edge is slow only if it is slow every time.
        for (let more = 1; more < ROUNDS && (own.length < CALLS || isSlow(own, edge)); more++) own = await measure(stage, edge, browser, direction);
        const beside = edge.name === 'causeway' && anchor ? await measure(stage, anchor, browser, direction) : [];
        const besideMs = beside.length && midAudio(beside);
        const figure = `${edge.name} ${tell(own)}${beside.length ? `; anchor ${tell(beside)}` : ''}`;
        if (edge.name === 'anchor') return figure;
        assert(own.length === CALLS, `${CALLS - own.length} of ${CALLS} calls had no audio; ${figure}`);
        // On a machine that is slow itself the anchor is slow too.
        assert(!isSlow(own, edge) || besideMs && midAudio(own) <= alike(besideMs), `the median is not under ${edge.limitMs} ms: ${figure}`);
        return figure;
      }, { ms: 120000 });
    }
  }
}

/** By the median. Only an edge that is ours whole has a limit. */
const isSlow = (times, { limitMs = Infinity }) => midAudio(times) >= limitMs;

const midAudio = (times) => median(times.map(({ audio }) => audio));

const tell = (times) => {
  const of = (what) => times.map((time) => time[what]);
  const silent = times.length < CALLS ? ` (${CALLS - times.length} of ${CALLS} calls had no audio)` : '';
  return `${spread(of('audio'))}${silent} (200 after ${Math.round(median(of('answer')))}, DTLS done after ${Math.round(median(of('connected')))})`;
};

/** Parts of its own for each round, gone after it: a phone that stayed registered would ring in the next. */
async function measure(stage, edge, browser, direction) {
  const cleanups = [];
  try {
    return await round(stage, (cleanup) => cleanups.push(cleanup), edge, browser, direction === 'from the browser');
  } finally {
    for (const cleanup of cleanups.reverse()) await cleanup();
  }
}

/** The times of those calls that had audio. The callee answers at once, by itself. */
async function round(stage, cleanup, edge, browser, outgoing) {
  const alice = await stage.softphone(cleanup, { browser, library: 'sip.js', edge, autoAnswer: true });
  const desk = await stage.phone(cleanup, 'desk', { strict: edge.strict });
  const times = [];
  for (let i = 0; i < CALLS; i++) {
    const { call, far } = await (outgoing ? stage.browserCallsPhone(alice, desk) : stage.phoneCallsBrowser(desk, alice));
    const sound = await alice.hears(call, desk.tone, 4000).catch(() => undefined);
    const { invitedAt, answeredAt, connectedAt, firstAudioAt } = await alice.figures(call);
    const began = outgoing ? invitedAt : (await desk.figures(far)).invitedAt;
    if (sound) times.push({ answer: answeredAt - began, connected: connectedAt - began, audio: firstAudioAt - began });
    await alice.act(call, 'bye');
    await desk.until('ended', { call: far });
  }
  return times;
}
