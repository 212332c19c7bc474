// The suite itself, inside the browsers' namespace: starts the parts, runs the cases.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BROWSERS, launch, servePage, startSound } from './lib/browser.mjs';
import { anchorIsInstalled, startAnchor, startCauseway } from './lib/edge.mjs';
import { PhoneHost } from './lib/phones.mjs';
import { endAll, logs, tail } from './lib/processes.mjs';
import { startRegistrar } from './lib/registrar.mjs';
import { Runner } from './lib/runner.mjs';
import { Stage, USERS } from './lib/stage.mjs';
import * as cases from './cases/index.mjs';

const run = JSON.parse(process.env.CAUSEWAY_RUN);
const only = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const wantsAnchor = !process.argv.includes('--no-anchor') && anchorIsInstalled();
const edgeName = process.env.EDGE ?? 'causeway';

let page;
const browsers = {};

async function main() {
  const registrar = await startRegistrar(run, USERS);
  const phones = await PhoneHost.start(run, registrar);
  page = await servePage();
  const anchor = wantsAnchor || edgeName === 'anchor' ? await startAnchor(run) : undefined;
  const edge = edgeName === 'anchor' ? anchor : await startCauseway(run);
  await startSound(run);
  for (const kind of BROWSERS) browsers[kind] = await launch(run, kind);
  const stage = new Stage({ run, edge, anchor, phones, browsers, pageUrl: page.url });
  const runner = new Runner({ only: only.length ? only : undefined, onFailure: (name) => keep(name, stage) });
  await cases.all(runner, stage);
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
