// The suite itself, inside the browsers' namespace: starts the parts, runs the cases.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BROWSERS, launch, servePage, startSound } from './lib/browser.mjs';
import { isInstalled, startEdge } from './lib/edge.mjs';
import { PhoneHost } from './lib/phones.mjs';
import { endAll, logs, tail } from './lib/processes.mjs';
import { startRegistrar } from './lib/registrar.mjs';
import { Runner } from './lib/runner.mjs';
import { Stage, USERS } from './lib/stage.mjs';
import * as cases from './cases/index.mjs';
import * as mixed from './cases/mixed.mjs';
import * as registration from './cases/registration.mjs';
import * as transports from './cases/transports.mjs';

const run = JSON.parse(process.env.CAUSEWAY_RUN);
const only = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const wantsAnchor = !process.argv.includes('--no-anchor') && isInstalled('anchor');
/** Named: that edge alone, with every case. Left out: ours with every case, then the mixed ones with theirs. */
const edgeName = process.env.EDGE;

let page;
const browsers = {};

async function main() {
  const registrar = await startRegistrar(run, USERS);
  const phones = await PhoneHost.start(run, registrar);
  page = await servePage();
  await startSound(run);
  for (const kind of BROWSERS) browsers[kind] = await launch(run, kind);
  const anchor = wantsAnchor ? await startEdge(run, 'anchor') : undefined;
  const stand = async (name) => new Stage({ run, edge: name === anchor?.name ? anchor : await startEdge(run, name), anchor, phones, browsers, pageUrl: page.url });

  const stage = await stand(edgeName ?? 'causeway');
  const runner = new Runner({ only: only.length ? only : undefined, onFailure: (name, where) => keep(name, where ?? stage) });
  await cases.all(runner, stage);
  for (const [name, cases] of edgeName ? [] : Object.entries(registration.WAYS)) await cases(runner, await stand(name));
  for (const name of edgeName ? [] : transports.OVER) await transports.all(runner, await stand(name), USERS);
  const over = async (name) => mixed.all(runner, await stand(name));
  for (const name of edgeName ? [] : mixed.MIXED) {
    if (isInstalled(name)) await over(name).catch((error) => runner.fail(`the cases over ${name}`, error));
    else console.log(`no cases over ${name}: what it is made of is not installed`);
  }
  return runner.finish();
}

/** After a failure: the ends of the logs on the screen, the messages of both sides in files. */
async function keep(name, stage) {
  const folder = join(run.folder, `failed-${name.replace(/[^\w]+/g, '-').slice(0, 80)}`);
  mkdirSync(folder, { recursive: true });
  await stage.dump((file, text) => writeFileSync(join(folder, file), text)).catch((error) => console.log(`      no dump: ${error.message}`));
  for (const { name: process, log } of logs()) {
    if (process.startsWith(stage.edge.name)) console.log(`      --- the end of ${log}\n${tail(log, 8).replace(/^/gm, '      ')}`);
  }
  console.log(`      messages are in ${folder}`);
}

async function down() {
  for (const browser of Object.values(browsers)) await browser.close().catch(() => {});
  page?.close();
  await endAll();
}

// Whatever ends the suite, its processes end with it: a signal, a closed pipe, a fault of its own.
const giveUp = (why) => {
  process.stdout.removeAllListeners('error').on('error', () => {});
  console.error(`the suite gives up: ${why?.stack ?? why}`);
  down().then(() => process.exit(1));
};
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, giveUp);
process.stdout.on('error', giveUp);
process.on('uncaughtException', giveUp);
let code = 1;
try {
  code = await main();
} catch (error) {
  console.log(`the suite could not run: ${error.stack}`);
  for (const { name, log } of logs()) console.log(`--- ${name}\n${tail(log, 15)}`);
  console.log('0 passed, 1 failed');
} finally {
  await down();
}
process.exit(code);
