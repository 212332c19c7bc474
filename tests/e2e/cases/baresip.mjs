// baresip, somebody else's phone, called and calling.
import { Baresip } from '../lib/baresip.mjs';
import { HALF } from './matrix.mjs';

export async function all(runner, stage) {
  for (const { label, ...combination } of HALF) {
    await runner.run(`${label}: browser calls baresip, which sends its sound back`, async (cleanup) => {
      const [alice, desk] = await both(stage, cleanup, combination);
      const call = await alice.call(desk.uri);
      await alice.until('confirmed', { call });
      const echo = await alice.hears(call, alice.tone, 5000);
      const gone = desk.says(/terminated|session closed/i);
      await alice.act(call, 'bye');
      await gone;
      return tell(echo);
    });

    await runner.run(`${label}: baresip calls the browser and hangs up`, async (cleanup) => {
      const [alice, desk] = await both(stage, cleanup, combination);
      desk.command(`dial ${alice.uri}`);
      const { call } = await alice.until('incoming');
      await alice.act(call, 'answer');
      await alice.until('confirmed', { call });
      const echo = await alice.hears(call, alice.tone, 5000);
      desk.command('hangup');
      await alice.until('bye', { call });
      return tell(echo);
    });
  }
}

async function both(stage, cleanup, combination) {
  const desk = await Baresip.start(stage.run);
  cleanup(() => desk.stop());
  return [await stage.softphone(cleanup, combination), desk];
}

const tell = (echo) => `its own tone came back, ${echo.packets} packets judged at rms ${echo.rms}`;
