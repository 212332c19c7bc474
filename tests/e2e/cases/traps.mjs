// What breaks the anchor as usually configured, each by its name.
import { assert } from '../lib/runner.mjs';
import { launch } from '../lib/browser.mjs';
import { openPage } from '../lib/softphone.mjs';
import { heard } from '../lib/stage.mjs';
import { COMBINATIONS, HALF } from './matrix.mjs';

const CHALLENGED = 10;

export async function all(runner, stage) {
  for (const { label, ...combination } of HALF) {
    await runner.run(`${label}: INVITE is challenged after the SDP was offered, and ${CHALLENGED} of ${CHALLENGED} calls have audio`, async (cleanup) => {
      const [alice, desk] = await Promise.all([stage.softphone(cleanup, combination), stage.phone(cleanup)]);
      // The page keeps the latest messages only, each with its time first.
      const [before = ''] = await alice.wire(1);
      const began = before.split(' ', 1)[0];
      for (let i = 0; i < CHALLENGED; i++) {
        const { call, far } = await stage.browserCallsPhone(alice, desk);
        await stage.bothHear(alice, call, desk, far);
        await alice.act(call, 'bye');
        await desk.until('ended', { call: far });
      }
      const since = (await alice.wire(2000)).filter((m) => m.split(' ', 1)[0] > began);
      const challenges = since.filter((m) => / in\nSIP\/2.0 407 /.test(m)).length;
      assert(challenges === CHALLENGED, `${challenges} INVITEs were challenged`);
      return `${challenges} challenges, ${CHALLENGED} calls with audio both ways`;
    });

    await runner.run(`${label}: an INVITE without SDP reaches the browser, which offers`, async (cleanup) => {
      const [alice, desk] = await Promise.all([stage.softphone(cleanup, combination), stage.phone(cleanup)]);
      const { call, far } = await stage.phoneCallsBrowser(desk, alice, { offer: false });
      return heard(await stage.bothHear(alice, call, desk, far));
    });

    await runner.run(`${label}: a user on two browsers: both ring, one answers, the other stops`, async (cleanup) => {
      const two = () => stage.softphone(cleanup, { ...combination, user: 'bob' });
      const [first, second, desk] = await Promise.all([two(), two(), stage.phone(cleanup)]);
      const far = await desk.call(first.uri);
      const [one, other] = await Promise.all([first.until('incoming'), second.until('incoming')]);
      await second.act(other.call, 'answer');
      await Promise.all([desk.until('confirmed', { call: far }), second.until('confirmed', { call: other.call }), first.until('ended', { call: one.call })]);
      const sound = heard(await stage.bothHear(second, other.call, desk, far));
      assert((await desk.bye(far)) === 200, 'the BYE was not answered 200');
      await second.until('bye', { call: other.call });
      return sound;
    });

    await runner.run(`${label}: the phone's BYE reaches a browser that came back on a new WebSocket`, async (cleanup) => {
      const [alice, desk] = await Promise.all([stage.softphone(cleanup, combination), stage.phone(cleanup)]);
      const { call, far } = await stage.browserCallsPhone(alice, desk);
      await stage.bothHear(alice, call, desk, far);
      const began = performance.now();
      await alice.losesItsSocket();
      const away = Math.round(performance.now() - began);
      const sound = heard(await stage.bothHear(alice, call, desk, far));
      assert((await desk.bye(far)) === 200, 'the BYE was not answered 200');
      await alice.until('bye', { call });
      return `back after ${away} ms; ${sound}`;
    });

    await runner.run(`${label}: transport=wss in the Contact does no harm`, async (cleanup) => {
      const [alice, desk] = await Promise.all([stage.softphone(cleanup, { ...combination, contactTransport: 'wss' }), stage.phone(cleanup)]);
      const there = await stage.browserCallsPhone(alice, desk);
      await stage.bothHear(alice, there.call, desk, there.far);
      assert((await desk.bye(there.far)) === 200, 'the BYE was not answered 200');
      await alice.until('bye', { call: there.call });
      const { call, far } = await stage.phoneCallsBrowser(desk, alice);
      return heard(await stage.bothHear(alice, call, desk, far));
    });
  }

  await runner.run('several browsers in one burst over WSS: all register, all are called at once', (cleanup) => burst(stage, cleanup));
  for (const { label, ...combination } of COMBINATIONS.filter(({ browser, transport }) => browser === 'firefox' && transport === 'wss')) {
    await runner.run(`${label}: a Firefox that hides its addresses hears and is heard`, (cleanup) => hidden(stage, cleanup, combination));
  }
}

const BURST = 12;

async function burst(stage, cleanup) {
  const desk = await stage.phone(cleanup, 'desk', { tone: 400, toneStep: 31 });
  const phones = [];
  for (let n = 0; n < BURST; n++) {
    const browser = n % 2 ? 'firefox' : 'chromium';
    const library = n % 4 < 2 ? 'sip.js' : 'jssip';
    phones.push(await stage.softphone(cleanup, { browser, library, transport: 'wss', user: `user${n + 1}`, tone: 1100 + 67 * n, autoAnswer: true, start: false }));
  }
  const began = performance.now();
  await Promise.all(phones.map((phone) => phone.start()));
  const registered = Math.round(performance.now() - began);
  const sounds = await Promise.all(phones.map(async (phone) => {
    const { call, far } = await stage.phoneCallsBrowser(desk, phone);
    const { tone } = await desk.figures(far);
    return Promise.all([phone.hears(call, tone, 8000), desk.hears(far, phone.tone, 8000)]);
  }));
  assert(desk.violations.length === 0, desk.violations.join('; '));
  const packets = sounds.flat().reduce((sum, sound) => sum + sound.packets, 0);
  return `${BURST} registered in ${registered} ms; ${BURST} calls with audio both ways, ${packets} packets judged`;
}

async function hidden(stage, cleanup, combination) {
  const shy = await launch(stage.run, 'firefox', { name: 'firefox-hidden', prefs: { 'media.peerconnection.ice.obfuscate_host_addresses': true } });
  cleanup(() => shy.close());
  const page = await openPage(shy, stage.pageUrl);
  const [alice, desk] = await Promise.all([stage.softphone(cleanup, { ...combination, page }), stage.phone(cleanup)]);
  const out = await stage.browserCallsPhone(alice, desk);
  const first = heard(await stage.bothHear(alice, out.call, desk, out.far));
  const invite = (await alice.wire(200)).find((m) => / out\nINVITE /.test(m));
  assert(/ [0-9a-f-]+\.local /.test(invite) && /^c=IN IP4 0\.0\.0\.0/m.test(invite), 'this Firefox did not hide its addresses');
  await alice.act(out.call, 'bye');
  await desk.until('ended', { call: out.far });
  const { call, far } = await stage.phoneCallsBrowser(desk, alice);
  const second = heard(await stage.bothHear(alice, call, desk, far));
  return `calling: ${first}; called: ${second}`;
}
