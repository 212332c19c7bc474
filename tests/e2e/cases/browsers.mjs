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
}

const pair = (stage, cleanup, first, second) =>
  Promise.all([stage.softphone(cleanup, { ...first, user: 'alice' }), stage.softphone(cleanup, { ...second, user: 'bob' })]);

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
