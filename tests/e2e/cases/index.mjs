// Every case of the suite, in order.
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
  for (const { all: run } of [judge, basics, ending, leaving, talking, browsers, baresip, traps, many, demo, latency]) await run(runner, stage);
}
