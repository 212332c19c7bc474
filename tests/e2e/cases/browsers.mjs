// Browser to browser: the call passes the edge twice, through the phones' server, under one Call-ID.
import { assert } from '../lib/runner.mjs';
import { HALF } from './matrix.mjs';

export async function all(runner, stage) {
  for (const { label, ...combination } of HALF) {
    await runner.run(`${label}: a browser calls another, through the edge twice with one Call-ID`, async (cleanup) =>
      meet(stage, await pair(stage, cleanup, combination, combination)));
  }
  const chromium = HALF.find(({ browser, library }) => browser === 'chromium' && library === 'sip.js');
  const firefox = HALF.find(({ browser, library }) => browser === 'firefox' && library === 'jssip');
  await runner.run('Chromium with sip.js calls Firefox with JsSIP', async (cleanup) => meet(stage, await pair(stage, cleanup, chromium, firefox)));
  await runner.run('Firefox with JsSIP calls Chromium with sip.js', async (cleanup) => meet(stage, await pair(stage, cleanup, firefox, chromium)));
  // Other relays ask for no picture anew when one was lost before both sides could hear.
  for (const [caller, callee] of !stage.edge.bundles ? [] : [[chromium, firefox], [firefox, chromium]]) {
    const seen = (combination) => ({ ...combination, library: 'jssip', video: true });
    await runner.run(`video: ${caller.browser} and ${callee.browser} hear and see one another, all on one port of each`, async (cleanup) =>
      look(stage, await pair(stage, cleanup, seen(caller), seen(callee))));
  }
}

const pair = (stage, cleanup, first, second) =>
  Promise.all([stage.softphone(cleanup, { ...first, user: 'alice' }), stage.softphone(cleanup, { ...second, user: 'bob' })]);

async function look(stage, [alice, bob]) {
  const call = await alice.call(bob.uri);
  const { call: far } = await bob.until('incoming');
  await bob.act(far, 'answer');
  await Promise.all([alice.until('confirmed', { call }), bob.until('confirmed', { call: far })]);
  await stage.browsersHear(alice, call, bob, far);
  const [first, second] = await Promise.all([alice.sees(call, 15, 8000), bob.sees(far, 15, 8000)]);
  for (const { transports } of [first, second]) assert(transports === 1, `the media go over ${transports} transports`);
  await bob.act(far, 'bye');
  await alice.until('bye', { call });
  return `caller saw ${first.frames} pictures, callee ${second.frames}; transports: ${first.transports} and ${second.transports}`;
}

async function meet(stage, [alice, bob]) {
  const call = await alice.call(bob.uri);
  const { call: far, callId } = await bob.until('incoming');
  await bob.act(far, 'answer');
  await Promise.all([alice.until('confirmed', { call }), bob.until('confirmed', { call: far })]);
  const { first, second } = await stage.browsersHear(alice, call, bob, far);
  const figures = await alice.figures(call);
  assert(figures.callId === callId, `the Call-ID changed on its way: ${figures.callId}, ${callId}`);
  await bob.act(far, 'bye');
  await alice.until('bye', { call });
  return `caller heard ${first.packets} packets at rms ${first.rms}, callee ${second.packets} at ${second.rms}`;
}
