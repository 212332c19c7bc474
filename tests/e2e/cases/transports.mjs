// Kamailio spoken to over TCP and over TLS instead of UDP; the phones are where they were.
import { assert } from '../lib/runner.mjs';
import { STREAMS, certificate } from '../lib/edge.mjs';
import { startRegistrar } from '../lib/registrar.mjs';
import { heard } from '../lib/stage.mjs';
import { HALF } from './matrix.mjs';

/** Edges of this name, each before the same SIP server. */
export const OVER = ['tcp', 'tls'];

let server;

export async function all(runner, stage, users) {
  const transport = stage.edge.name;
  for (const { label, ...combination } of HALF.filter(({ browser }) => browser === 'chromium')) {
    await runner.run(`${label}, Kamailio over ${transport}: registers, is called, calls, and BYE goes both ways`, async (cleanup) => {
      server ??= await startRegistrar(stage.run, users, { name: 'streams', port: STREAMS, streams: certificate(stage.run) });
      const registrar = { host: server.host, port: server.port };
      const [alice, desk] = await Promise.all([stage.softphone(cleanup, combination), stage.phone(cleanup, 'desk', { registrar })]);
      const first = await stage.phoneCallsBrowser(desk, alice);
      await stage.bothHear(alice, first.call, desk, first.far);
      assert((await desk.bye(first.far)) === 200, 'the BYE was not answered 200');
      await alice.until('bye', { call: first.call });
      const { call, far } = await stage.browserCallsPhone(alice, desk);
      const sound = await stage.bothHear(alice, call, desk, far);
      await alice.act(call, 'bye');
      const { by } = await desk.until('ended', { call: far });
      assert(by === 'remote', `the phone's call was ended by ${by}`);
      const [invite] = (await desk.log()).filter((entry) => /\nINVITE /.test(entry) && / in$/m.test(entry.split('\n')[0])).slice(-1);
      assert(new RegExp(`^Via: SIP/2.0/${transport.toUpperCase()} `, 'm').test(invite), `no ${transport} in ${invite}`);
      return heard(sound);
    }, { stage });
  }
}
