// Every case of the suite, in order.
import * as basics from './basics.mjs';

export async function all(runner, stage) {
  await basics.all(runner, stage);
}
