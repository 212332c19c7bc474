// Browsers that leave in the middle of a call, and come back or do not.
import { assert } from '../lib/runner.mjs';
import { openPage } from '../lib/softphone.mjs';
import { heard } from '../lib/stage.mjs';
import { HALF } from './matrix.mjs';

/** Longer than the edge waits for a browser. */
const GRACE = 22000;

export async function all(runner, stage) {
  for (const { label, ...combination } of HALF) {
    await runner.run(`${label}: the tab is closed in the middle of a call, and the phone is free within 35 s`, async (cleanup) => {
      const page = await openPage(stage.browsers[combination.browser], stage.pageUrl);
      // A user whom no other case calls: the SIP server goes on calling a browser that left without a word.
      const [alice, desk] = await Promise.all([stage.softphone(cleanup, { ...combination, page, user: 'leaver' }), stage.phone(cleanup)]);
      const { call, far } = await stage.browserCallsPhone(alice, desk);
      await stage.bothHear(alice, call, desk, far);
      const began = performance.now();
      await page.close();
      const { by, reason } = await desk.until('ended', { call: far, ms: 35000 });
      assert(by === 'remote', `the phone's call was ended ${by}`);
      return `BYE after ${Math.round(performance.now() - began)} ms, ${reason ?? 'from the browser itself'}`;
    });

    await runner.run(`${label}: the WebSocket is cut in the middle of a call, and the call goes on over the next one`, async (cleanup) => {
      const [alice, desk] = await Promise.all([stage.softphone(cleanup, combination), stage.phone(cleanup)]);
      const { call, far } = await stage.browserCallsPhone(alice, desk);
      await stage.bothHear(alice, call, desk, far);
      const began = performance.now();
      await alice.losesItsSocket();
      let sound;
      do sound = heard(await stage.bothHear(alice, call, desk, far, 15000));
      while (performance.now() - began < GRACE);
      await alice.act(call, 'bye');
      await desk.until('ended', { call: far });
      return `${Math.round(performance.now() - began)} ms later ${sound}`;
    });

    await runner.run(`${label}: the phone's side refreshes a call whose WebSocket is lost, and asks for a hold, and the call goes on`, async (cleanup) => {
      const [alice, desk] = await Promise.all([stage.softphone(cleanup, combination), stage.phone(cleanup)]);
      const { call, far } = await stage.browserCallsPhone(alice, desk);
      await stage.bothHear(alice, call, desk, far);
      await alice.isCutOff();
      const began = performance.now();
      assert((await desk.reinvite(far, 'sendrecv')) === 'sendrecv', 'the refresh does not leave the call as it was');
      const refreshed = Math.round(performance.now() - began);
      // Only the browser can answer this one, once it is back.
      const held = desk.reinvite(far, 'sendonly');
      await alice.comesBack();
      const direction = await held;
      assert(direction !== 'sendrecv' && direction !== 'sendonly', `the browser answers the hold with ${direction}`);
      assert((await desk.reinvite(far, 'sendrecv')) === 'sendrecv', 'the browser does not talk again');
      const sound = heard(await stage.bothHear(alice, call, desk, far));
      await desk.bye(far);
      return `refreshed in ${refreshed} ms with nobody there; ${sound}`;
    });
  }
}
