// What happens during a call: early media, hold and resume, digits.
import { assert } from '../lib/runner.mjs';
import { TONES, heard } from '../lib/stage.mjs';
import { COMBINATIONS, HALF } from './matrix.mjs';

const DIGITS = '159#';
const QUIET_MS = 300;

/** The edges whose proxy has the relay play what a browser sends in INFO. */
const OUR_PROXY = ['causeway', 'proxy+rtpengine'];

/** How many INVITEs of this call stand in a log, in this direction. */
const invitesTo = (log, direction, far) =>
  log.filter((entry) => entry.split('\n')[0].includes(` ${direction}`) && /\n(INVITE )/.test(entry) && entry.includes(far.split(' ')[0])).length;

export async function all(runner, stage) {
  for (const { label, ...combination } of COMBINATIONS) {
    const both = (cleanup) => Promise.all([stage.softphone(cleanup, combination), stage.phone(cleanup)]);

    await runner.run(`${label}: early media is heard before the answer, and the call goes on after it`, async (cleanup) => {
      const [alice, desk] = await both(cleanup);
      await desk.behave({ mode: 'early' });
      const call = await alice.call(desk.uri, { early: true });
      const { call: far } = await desk.until('incoming');
      await alice.until('ringing', { call });
      const early = await alice.hears(call, desk.tone, 5000);
      await desk.answer(far);
      await alice.until('confirmed', { call });
      const after = await stage.bothHear(alice, call, desk, far);
      return `${early.packets} packets at rms ${early.rms} before the answer; then ${heard(after)}`;
    });

    await runner.run(`${label}: the browser holds and resumes`, async (cleanup) => {
      const [alice, desk] = await both(cleanup);
      const { call, far } = await stage.browserCallsPhone(alice, desk);
      await stage.bothHear(alice, call, desk, far);
      await alice.act(call, 'hold');
      const { direction } = await desk.until('reinvite', { call: far });
      assert(direction === 'recvonly' || direction === 'inactive', `the phone was asked to be ${direction}`);
      await alice.silent(call, QUIET_MS, 3000);
      await alice.act(call, 'resume');
      assert((await desk.until('reinvite', { call: far })).direction === 'sendrecv', 'the phone was not asked to talk again');
      const sound = await stage.bothHear(alice, call, desk, far);
      return `silent for ${QUIET_MS} ms while held; then ${heard(sound)}`;
    });

    await runner.run(`${label}: the phone holds and resumes`, async (cleanup) => {
      const [alice, desk] = await both(cleanup);
      const { call, far } = await stage.phoneCallsBrowser(desk, alice);
      await stage.bothHear(alice, call, desk, far);
      const answered = await desk.reinvite(far, 'sendonly');
      assert(answered === 'recvonly' || answered === 'inactive', `the browser answered ${answered}`);
      await desk.silent(far, QUIET_MS, 3000);
      assert((await desk.reinvite(far, 'sendrecv')) === 'sendrecv', 'the browser does not talk again');
      const sound = await stage.bothHear(alice, call, desk, far);
      return `silent for ${QUIET_MS} ms while held; then ${heard(sound)}`;
    });

    await runner.run(`${label}: RFC 4733 digits from the browser reach the phone`, async (cleanup) => {
      const [alice, desk] = await both(cleanup);
      const { call, far } = await stage.browserCallsPhone(alice, desk);
      await stage.bothHear(alice, call, desk, far);
      await alice.act(call, 'digits', DIGITS);
      let got = '';
      while (got.length < DIGITS.length) got += (await desk.until('digit', { call: far })).digit;
      assert(got === DIGITS, `the phone got ${got}`);
      return `${got} of ${DIGITS}`;
    });

    await runner.run(`${label}: RFC 4733 digits from the phone reach the browser`, async (cleanup) => {
      const [alice, desk] = await both(cleanup);
      const { call, far } = await stage.phoneCallsBrowser(desk, alice);
      await stage.bothHear(alice, call, desk, far);
      // A browser plays the digit that it receives: 9 is 852 and 1477 Hz (ITU-T Q.23), no tone of ours.
      const [sound] = await Promise.all([alice.hearsDigit(call, [852, 1477], 4000), desk.dial(far, '9999')]);
      const after = await stage.bothHear(alice, call, desk, far);
      return `the browser plays 852 + 1477 Hz, ${Math.round(100 * sound.share)} % of the sound; then ${heard(after)}`;
    });

    await runner.run(`${label}: SIP INFO digits reach the other side, a phone behind our proxy as events`, async (cleanup) => {
      const [alice, desk] = await both(cleanup);
      const { call, far } = await stage.browserCallsPhone(alice, desk);
      await stage.bothHear(alice, call, desk, far);
      await alice.act(call, 'info', '7');
      if (OUR_PROXY.includes(stage.edge.name)) {
        const { digit } = await desk.until('digit', { call: far });
        assert(digit === '7', `the phone heard ${digit}`);
      } else {
        const info = await desk.until('info', { call: far });
        assert(info.type === 'application/dtmf-relay' && /Signal=\s*7/.test(info.body), `the phone got ${info.type}: ${info.body}`);
      }
      const status = await desk.info(far, 'application/dtmf-relay', 'Signal=4\r\nDuration=160\r\n');
      assert(status === 200, `the browser answered INFO with ${status}`);
      const back = await alice.until('info', { call });
      assert(/Signal=\s*4/.test(back.body), `the browser got ${back.body}`);
      return '7 to the phone, 4 to the browser';
    });
  }

  for (const { label, ...combination } of HALF) {
    await runner.run(`${label}: a refresh by the phone is answered at the edge, and the browser hears nothing of it`, async (cleanup) => {
      if (!OUR_PROXY.includes(stage.edge.name)) return 'not over this edge, which passes it on';
      const [alice, desk] = await Promise.all([stage.softphone(cleanup, combination), stage.phone(cleanup)]);
      for (const begin of ['browserCallsPhone', 'phoneCallsBrowser']) {
        const { call, far } = await (begin === 'browserCallsPhone' ? stage.browserCallsPhone(alice, desk) : stage.phoneCallsBrowser(desk, alice));
        await stage.bothHear(alice, call, desk, far);
        const invites = async () => invitesTo(await alice.wire(2000), 'in', far);
        const before = await invites();
        for (let i = 0; i < 3; i += 1) assert((await desk.reinvite(far, 'sendrecv')) === 'sendrecv', 'the answer is not sendrecv');
        await stage.bothHear(alice, call, desk, far);
        assert((await invites()) === before, 'the browser was shown a re-INVITE');
        await alice.act(call, 'hold');
        assert((await desk.until('reinvite', { call: far })).direction !== 'sendrecv', 'the hold did not reach the phone');
        await alice.act(call, 'resume');
        await desk.until('reinvite', { call: far });
        await stage.bothHear(alice, call, desk, far);
        assert((await desk.bye(far)) === 200, 'the BYE was not answered 200');
        await alice.until('bye', { call });
      }
      return 'three refreshes in a call of either side; hold, resume and BYE still reach whom they are for';
    });

    await runner.run(`${label}: of two phones one is heard early and the other answers, and the browser keeps its dialog`, async (cleanup) => {
      if (!OUR_PROXY.includes(stage.edge.name)) return 'not over this edge, which passes every tag on';
      const [alice, desk] = await Promise.all([stage.softphone(cleanup, combination), stage.phone(cleanup)]);
      const other = await stage.phone(cleanup, 'desk', { tone: TONES.phone2 });
      await desk.behave({ mode: 'early' });
      await other.behave({ mode: 'ring' });
      const call = await alice.call(desk.uri, { early: true });
      const [, { call: far }] = await Promise.all([desk.until('incoming'), other.until('incoming')]);
      await alice.hears(call, desk.tone, 5000);
      await other.answer(far);
      await Promise.all([alice.until('confirmed', { call }), other.until('confirmed', { call: far })]);
      const sound = await stage.bothHear(alice, call, other, far);
      await alice.act(call, 'hold');
      assert((await other.until('reinvite', { call: far })).direction !== 'sendrecv', 'the hold did not reach the phone');
      await alice.act(call, 'resume');
      await other.until('reinvite', { call: far });
      assert((await other.bye(far)) === 200, 'the BYE was not answered 200');
      await alice.until('bye', { call });
      return `after the answer ${heard(sound)}`;
    });

    await runner.run(`${label}: an ICE restart of the browser is between it and the relay`, async (cleanup) => {
      if (!OUR_PROXY.includes(stage.edge.name)) return 'not over this edge, which passes it on';
      const [alice, desk] = await Promise.all([stage.softphone(cleanup, combination), stage.phone(cleanup)]);
      const { call, far } = await stage.browserCallsPhone(alice, desk);
      await stage.bothHear(alice, call, desk, far);
      const before = invitesTo(await desk.log(), 'in', far);
      await alice.act(call, 'restart');
      const sound = await stage.bothHear(alice, call, desk, far);
      assert(invitesTo(await desk.log(), 'in', far) === before, 'the phone was shown a re-INVITE');
      const ufrags = (await alice.wire(2000)).filter((m) => m.includes(far.split(' ')[0])).flatMap((m) => /^a=ice-ufrag:(\S+)/m.exec(m)?.[1] ?? []);
      assert(new Set(ufrags).size >= 3, `the credentials did not change: ${ufrags.join(' ')}`);
      return `afterwards ${heard(sound)}`;
    });

    await runner.run(`${label}: RTCP passes both ways`, async (cleanup) => {
      const [alice, desk] = await Promise.all([stage.softphone(cleanup, combination), stage.phone(cleanup)]);
      const { call, far } = await stage.browserCallsPhone(alice, desk);
      const [reported, received] = await Promise.all([alice.reported(call, 8000), desk.reported(far, 8000)]);
      assert(desk.violations.length === 0, desk.violations.join('; '));
      return `the browser was told of ${reported.packetsSent} packets sent, the phone got ${received.rtcp} RTCP packets at its RTCP port`;
    });
  }
}
