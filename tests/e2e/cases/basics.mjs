// Registering, and one call each way.
import { heard } from '../lib/stage.mjs';
import { COMBINATIONS } from './matrix.mjs';
import { assert } from '../lib/runner.mjs';

export async function all(runner, stage) {
  for (const { label, ...combination } of COMBINATIONS) {
    await runner.run(`${label}: registers with digest`, async (cleanup) => {
      const alice = await stage.softphone(cleanup, { ...combination, start: false });
      const began = performance.now();
      await alice.start();
      return `${Math.round(performance.now() - began)} ms from socket to 200`;
    });

    await runner.run(`${label}: a wrong password is refused`, async (cleanup) => {
      const alice = await stage.softphone(cleanup, { ...combination, password: 'guess', start: false });
      const error = await alice.start().then(() => undefined, (e) => e);
      assert(error, 'the registrar took a wrong password');
      const [, status] = /REGISTER was answered (\d+)/.exec(error.message) ?? assert(false, error.message);
      assert(['401', '403'].includes(status), error.message);
      return `answered ${status}`;
    });

    await runner.run(`${label}: browser calls phone, browser hangs up`, async (cleanup) => {
      const [alice, desk] = await Promise.all([stage.softphone(cleanup, combination), stage.phone(cleanup)]);
      const { call, far } = await stage.browserCallsPhone(alice, desk);
      const sound = await stage.bothHear(alice, call, desk, far);
      await alice.act(call, 'bye');
      const { by } = await desk.until('ended', { call: far });
      assert(by === 'remote', `the phone's call was ended by ${by}`);
      return heard(sound);
    });

    await runner.run(`${label}: phone calls browser, phone hangs up`, async (cleanup) => {
      const [alice, desk] = await Promise.all([stage.softphone(cleanup, combination), stage.phone(cleanup)]);
      const { call, far } = await stage.phoneCallsBrowser(desk, alice);
      const sound = await stage.bothHear(alice, call, desk, far);
      assert((await desk.bye(far)) === 200, 'the BYE was not answered 200');
      await alice.until('bye', { call });
      return heard(sound);
    });
  }
}
