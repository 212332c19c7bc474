// How calls end: BYE, CANCEL and 486, from either side.
import { assert } from '../lib/runner.mjs';
import { COMBINATIONS } from './matrix.mjs';

export async function all(runner, stage) {
  for (const { label, ...combination } of COMBINATIONS) {
    const both = (cleanup) => Promise.all([stage.softphone(cleanup, combination), stage.phone(cleanup)]);

    await runner.run(`${label}: the callee's BYE ends a call, from the phone`, async (cleanup) => {
      const [alice, desk] = await both(cleanup);
      const { call, far } = await stage.browserCallsPhone(alice, desk);
      await stage.bothHear(alice, call, desk, far);
      const began = performance.now();
      assert((await desk.bye(far)) === 200, 'the BYE was not answered 200');
      await alice.until('bye', { call });
      return `${Math.round(performance.now() - began)} ms`;
    });

    await runner.run(`${label}: the callee's BYE ends a call, from the browser`, async (cleanup) => {
      const [alice, desk] = await both(cleanup);
      const { call, far } = await stage.phoneCallsBrowser(desk, alice);
      await stage.bothHear(alice, call, desk, far);
      const began = performance.now();
      await alice.act(call, 'bye');
      assert((await desk.until('ended', { call: far })).by === 'remote', 'the phone saw no BYE');
      return `${Math.round(performance.now() - began)} ms`;
    });

    await runner.run(`${label}: CANCEL from the browser stops the phone ringing`, async (cleanup) => {
      const [alice, desk] = await both(cleanup);
      await desk.behave({ mode: 'ring' });
      const call = await alice.call(desk.uri);
      const { call: far } = await desk.until('incoming');
      await alice.until('ringing', { call });
      const began = performance.now();
      await alice.act(call, 'cancel');
      const ended = await desk.until('ended', { call: far });
      assert(ended.cancelled, `the phone's call ended by ${JSON.stringify(ended)}`);
      await alice.until('ended', { call });
      return `${Math.round(performance.now() - began)} ms to 487`;
    });

    await runner.run(`${label}: CANCEL from the phone stops the browser ringing`, async (cleanup) => {
      const [alice, desk] = await both(cleanup);
      const far = await desk.call(alice.uri);
      const { call } = await alice.until('incoming');
      await desk.until('ringing', { call: far });
      const began = performance.now();
      await desk.cancel(far);
      await alice.until('cancelled', { call });
      const { status } = await desk.until('ended', { call: far });
      assert(status === 487, `the INVITE was answered ${status}`);
      return `${Math.round(performance.now() - began)} ms to 487`;
    });

    await runner.run(`${label}: 486 from the phone reaches the browser`, async (cleanup) => {
      const [alice, desk] = await both(cleanup);
      await desk.behave({ mode: 'reject', status: 486 });
      const call = await alice.call(desk.uri);
      const { status } = await alice.until('refused', { call });
      assert(status === 486, `the browser saw ${status}`);
      return 'answered 486';
    });

    await runner.run(`${label}: 486 from the browser reaches the phone`, async (cleanup) => {
      const [alice, desk] = await both(cleanup);
      const far = await desk.call(alice.uri);
      const { call } = await alice.until('incoming');
      await alice.act(call, 'reject', 486);
      const { status } = await desk.until('ended', { call: far });
      assert(status === 486, `the phone saw ${status}`);
      return 'answered 486';
    });
  }
}
