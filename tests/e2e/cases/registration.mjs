// The ways of registration besides the usual one, each over an edge of its own: the edge as registrar of its users,
// the edge that answers refreshes in the place of the SIP server, and the edge that asks for tokens instead of passwords.
import { assert } from '../lib/runner.mjs';
import { heard } from '../lib/stage.mjs';
import { HALF } from './matrix.mjs';

export const WAYS = { local, mid, 'sign-in': signIn };

const CHROMIUM = HALF.filter(({ browser }) => browser === 'chromium');

async function local(runner, stage) {
  for (const { label, ...combination } of CHROMIUM) {
    await runner.run(`${label}: the edge registers its users, and one calls another with no SIP server between`, async (cleanup) => {
      const users = ['alice', 'bob'].map((user) => stage.softphone(cleanup, { ...combination, user }));
      const [alice, bob] = await Promise.all(users);
      const [asked] = (await alice.wire(200)).filter((m) => / in\nSIP\/2.0 401 /.test(m));
      const algorithms = [...asked.matchAll(/^WWW-Authenticate:.*algorithm=([\w-]+)/gim)].map(([, name]) => name);
      assert(algorithms.join() === 'SHA-256,MD5', `the challenges were ${algorithms}`);
      const call = await alice.call(bob.uri);
      const { call: far } = await bob.until('incoming');
      await bob.act(far, 'answer');
      await Promise.all([alice.until('confirmed', { call }), bob.until('confirmed', { call: far })]);
      const { first, second } = await stage.browsersHear(alice, call, bob, far);
      await bob.losesItsSocket();
      await alice.act(call, 'bye');
      await bob.until('bye', { call: far });
      return `${first.packets} and ${second.packets} packets judged; the BYE found the callee on a new WebSocket`;
    }, { stage });

    await runner.run(`${label}: the edge refuses a user's wrong password`, async (cleanup) => {
      const alice = await stage.softphone(cleanup, { ...combination, password: 'guess', start: false });
      const error = await alice.start().then(() => undefined, (e) => e);
      assert(/REGISTER was answered 401/.test(error?.message), error?.message ?? 'it took a wrong password');
    }, { stage });
  }
}

async function mid(runner, stage) {
  for (const { label, ...combination } of CHROMIUM) {
    await runner.run(`${label}: refreshes are answered by the edge, a new WebSocket's REGISTER by the SIP server`, async (cleanup) => {
      const [alice, desk] = await Promise.all([stage.softphone(cleanup, combination), stage.phone(cleanup)]);
      // Who answered: the SIP server names itself.
      const answers = async () => (await alice.wire(2000)).filter((m) => / in\nSIP\/2.0 200 [^]*^CSeq: \d+ REGISTER/m.test(m)).map((m) => (/^Server: Registrar/m.test(m) ? 'server' : 'edge'));
      const refresh = async () => {
        const { length } = await answers();
        // JsSIP says nothing of a refresh.
        alice.register().catch(() => {});
        while ((await answers()).length === length);
      };
      await refresh();
      await refresh();
      const three = (await answers()).slice(-3).join();
      assert(three === 'server,edge,edge', `REGISTERs were answered by ${three}`);
      const { call, far } = await stage.phoneCallsBrowser(desk, alice);
      const sound = heard(await stage.bothHear(alice, call, desk, far));
      await alice.losesItsSocket();
      assert((await answers()).at(-1) === 'server', 'a REGISTER on a new WebSocket did not go to the SIP server');
      assert((await desk.bye(far)) === 200, 'the BYE was not answered 200');
      await alice.until('bye', { call });
      return sound;
    }, { stage });
  }
}

async function signIn(runner, stage) {
  for (const { label, ...combination } of CHROMIUM) {
    await runner.run(`${label}: a page with a token and no password registers with the SIP server, is called, and calls`, async (cleanup) => {
      const token = stage.edge.tokenOf('alice');
      const began = new Date().toISOString(); // the page remembers earlier cases
      const [alice, desk] = await Promise.all([stage.softphone(cleanup, { ...combination, token }), stage.phone(cleanup)]);
      const { call, far } = await stage.browserCallsPhone(alice, desk);
      const sound = heard(await stage.bothHear(alice, call, desk, far));
      await alice.act(call, 'bye');
      await desk.until('ended', { call: far });
      const back = await stage.phoneCallsBrowser(desk, alice);
      await stage.bothHear(alice, back.call, desk, back.far);
      assert((await desk.bye(back.far)) === 200, 'the BYE was not answered 200');
      const challenges = (await alice.wire(2000)).filter((m) => m >= began && / in\nSIP\/2.0 40[17] /.test(m));
      assert(challenges.length === 0, `the page was challenged: ${challenges[0]}`);
      const shown = (await desk.log()).filter((m) => m.includes(token));
      assert(shown.length === 0, 'the phone was shown the token');
      return sound;
    }, { stage });

    await runner.run(`${label}: a page whose token has expired is refused`, async (cleanup) => {
      const token = stage.edge.tokenOf('alice', -5);
      const alice = await stage.softphone(cleanup, { ...combination, token, start: false });
      const error = await alice.start().then(() => undefined, (e) => e);
      assert(/REGISTER was answered 401/.test(error?.message), error?.message ?? 'it took an expired token');
    }, { stage });
  }
}
