// The demo: one binary without configuration, its own page in real browsers.
import { BROWSERS } from '../lib/browser.mjs';
import { end, says, start } from '../lib/processes.mjs';
import { assert } from '../lib/runner.mjs';

export async function all(runner, { run, browsers }) {
  let demo;
  const began = async () => (demo ??= await startDemo(run));

  for (const kind of BROWSERS) {
    const tab = async (cleanup, user) => openTab(browsers[kind], `${(await began()).url}?user=${user}&tone=1`, cleanup);

    await runner.run(`${kind}: the demo's page registers, calls echo, holds, goes on, hangs up`, async (cleanup) => {
      const page = await tab(cleanup, 'alice');
      await page.until('softphone.registered');
      await page.click('#call');
      await page.until(heard);
      await page.click('#hold');
      await page.until('softphone.held');
      await page.click('#hold');
      await page.until('!softphone.held');
      const before = await page.evaluate('softphone.stats.received');
      await page.until(`softphone.stats.received > ${before + 50} && softphone.levels.received > 0.3`);
      const { stats, firstAudio } = await page.evaluate('({ stats: softphone.stats, firstAudio: softphone.firstAudio })');
      assert(stats.ice === 'connected' && stats.dtls === 'connected', `ICE is ${stats.ice}, DTLS ${stats.dtls}`);
      await page.click('#hangup');
      await page.until('softphone.callState === "idle"');
      assert((await page.evaluate('softphone.problem')) === '', 'the call ended with a problem');
      return `${stats.codec}, ${stats.cipher}, ${stats.received} packets back, ${stats.lost} lost, first audio ${Math.round(firstAudio)} ms after the answer`;
    });

    await runner.run(`${kind}: the demo's page is called by another tab, accepts, is hung up on`, async (cleanup) => {
      const [alice, bob] = [await tab(cleanup, 'alice'), await tab(cleanup, 'bob')];
      await Promise.all([alice, bob].map((page) => page.until('softphone.registered')));
      await alice.evaluate('void softphone.call("bob")');
      await bob.until('softphone.callState === "incoming"');
      await bob.click('#accept');
      await Promise.all([alice, bob].map((page) => page.until(heard)));
      const loud = await bob.evaluate('softphone.levels.received');
      await alice.evaluate('softphone.hangUp()');
      await bob.until('softphone.callState === "idle"');
      return `heard at level ${loud.toFixed(2)}`;
    });

    await runner.run(`${kind}: the demo's page says why a password, a number or a callee fails`, async (cleanup) => {
      const page = await tab(cleanup, 'alice');
      await page.until('softphone.registered');
      await page.evaluate('void softphone.call("nobody")');
      await page.until('softphone.problem.includes("nobody")');
      const number = await page.evaluate('softphone.problem');
      await page.evaluate('softphone.register({ user: "alice", password: "guess", domain: softphone.agent.domain })');
      await page.until('softphone.registerProblem.includes("password")');
      return number;
    });
  }
  if (demo) await end(demo.started);
}

const heard = 'softphone.callState === "active" && softphone.stats.received > 50 && softphone.levels.received > 0.3';

async function startDemo(run) {
  const started = start(run, 'demo', run.names.browsers, run.binary, ['demo']);
  const [url] = await says(started, /http:\/\/[^\s?]+/);
  return { started, url };
}

/** A tab of its own. Clicks go through the page's own buttons, also while another tab is in front. */
async function openTab(browser, url, cleanup) {
  const page = await browser.newPage();
  cleanup(() => page.close());
  await page.goto(url);
  return {
    evaluate: (script) => page.evaluate(script),
    click: (selector) => page.evaluate((at) => document.querySelector(at).click(), selector),
    until: async (condition, ms = 10000) => {
      const until = performance.now() + ms;
      while (!(await page.evaluate(condition))) {
        if (performance.now() > until) {
          const state = await page.evaluate(() => JSON.stringify({ call: softphone.callState, problem: softphone.problem || softphone.registerProblem, stats: softphone.stats }));
          throw new Error(`not in ${ms} ms: ${condition}; the page says ${state}`);
        }
        await new Promise((done) => setTimeout(done, 50));
      }
    },
  };
}
