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
  }
}
