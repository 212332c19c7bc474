// Every case of the suite, in order; what is timed comes first, before some twenty pages are open.
import * as baresip from './baresip.mjs';
import * as basics from './basics.mjs';
import * as browsers from './browsers.mjs';
import * as demo from './demo.mjs';
import * as ending from './ending.mjs';
import * as judge from './judge.mjs';
import * as latency from './latency.mjs';
import * as leaving from './leaving.mjs';
import * as many from './many.mjs';
import * as talking from './talking.mjs';
import * as traps from './traps.mjs';

export async function all(runner, stage) {
  for (const { all: run } of [judge, latency, basics, ending, leaving, talking, browsers, baresip, traps, many, demo]) await run(runner, stage);
}
