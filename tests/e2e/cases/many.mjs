// Many calls: one after the other, and at once.
import { assert, spread } from '../lib/runner.mjs';
import { COMBINATIONS, HALF } from './matrix.mjs';

const IN_A_ROW = 40;
const PAGES = 4;
const CALLS_FOR_EACH_PAGE = 5;
/** Two seconds of sound. */
const PACKETS = 100;

export async function all(runner, stage) {
  for (const { label, ...combination } of HALF) {
    await runner.run(`${label}: ${IN_A_ROW} calls in a row, all with audio`, async (cleanup) => {
      const [alice, desk] = await Promise.all([stage.softphone(cleanup, combination), stage.phone(cleanup)]);
      const times = [];
      let packets = 0;
      for (let i = 0; i < IN_A_ROW; i++) {
        const began = performance.now();
        const outgoing = i % 2 === 0;
        const { call, far } = await (outgoing ? stage.browserCallsPhone(alice, desk) : stage.phoneCallsBrowser(desk, alice));
        const { browser, desk: heard } = await stage.bothHear(alice, call, desk, far).catch((error) => {
          throw new Error(`call ${i + 1} of ${IN_A_ROW}, ${outgoing ? 'from' : 'to'} the browser: ${error.message}`);
        });
        packets += browser.packets + heard.packets;
        await alice.act(call, 'bye');
        await desk.until('ended', { call: far });
        times.push(performance.now() - began);
      }
      return `${IN_A_ROW} of ${IN_A_ROW} with audio both ways, ${packets} packets judged; a whole call took ${spread(times)}`;
    }, { ms: 120000 });
  }

  for (const { label, ...combination } of COMBINATIONS.filter(({ library, transport }) => (library === 'jssip') === (transport === 'ws'))) {
    await runner.run(`${label}: ${PAGES * CALLS_FOR_EACH_PAGE} calls at once, nothing lost`, async (cleanup) => {
      const desk = await stage.phone(cleanup, 'desk', { tone: 400, toneStep: 31 });
      const pages = await Promise.all(Array.from({ length: PAGES }, () => stage.page(cleanup, combination.browser)));
      const phones = await Promise.all(pages.flatMap((page, p) => Array.from({ length: CALLS_FOR_EACH_PAGE }, (_, c) => {
        const n = p * CALLS_FOR_EACH_PAGE + c;
        return stage.softphone(cleanup, { ...combination, page, user: `user${n + 1}`, tone: 1100 + 67 * n });
      })));
      const calls = await Promise.all(phones.map((phone) => talk(phone, desk)));
      await Promise.all(calls.map(({ phone, call, far, tone }) => Promise.all([phone.hears(call, tone, 8000), desk.hears(far, phone.tone, 8000)])));
      const counts = await Promise.all(calls.flatMap(({ phone, call, far }) => [phone.receives(call, PACKETS, 10000), desk.receives(far, PACKETS, 10000)]));
      const lost = counts.reduce((sum, count) => sum + count.lost, 0);
      const packets = counts.reduce((sum, count) => sum + count.packets, 0);
      assert(lost === 0, `${lost} of ${packets} packets were lost`);
      assert(desk.violations.length === 0, desk.violations.join('; '));
      await Promise.all(calls.map(({ phone, call, far }) => Promise.all([phone.act(call, 'bye'), desk.until('ended', { call: far })])));
      return `${calls.length} calls, every tone where it belongs, 0 of ${packets} packets lost`;
    }, { ms: 60000 });
  }
}

/** One call of many: its two ends, and the tone that the phone sends in it. */
async function talk(phone, desk) {
  const call = await phone.call(desk.uri);
  const { call: far, tone } = await desk.untilWith('incoming', ({ from }) => from.includes(`sip:${phone.options.user}@`));
  await phone.until('confirmed', { call, ms: 8000 });
  return { phone, call, far, tone };
}
