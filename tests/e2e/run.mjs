// Makes the namespaces, runs the suite in the browsers' one, removes everything whatever happened.
//
//   node run.mjs [part of a case's name]... [--no-anchor] [--keep]      as root; CAUSEWAY=path of the binary
//   EDGE=causeway | anchor | kamailio+relay | proxy+rtpengine           every case, over that edge alone
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, isSeparated, namesFor, remove } from './lib/net.mjs';

const names = namesFor(process.pid);
const folder = mkdtempSync(join(tmpdir(), 'causeway-e2e-'));
const binary = process.env.CAUSEWAY ?? fileURLToPath(new URL('../../target/release/causeway', import.meta.url));

async function suite() {
  const script = fileURLToPath(new URL('./suite.mjs', import.meta.url));
  const child = spawn('ip', ['netns', 'exec', names.browsers, process.execPath, script, ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...process.env, CAUSEWAY_RUN: JSON.stringify({ names, folder, binary }) },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill('SIGTERM'));
  process.stdout.on('error', () => child.kill('SIGTERM'));
  return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
}

let code = 1;
try {
  build(names);
  if (!isSeparated(names)) throw new Error('the namespaces are not separated: packets cross them without the edge');
  code = await suite();
} catch (error) {
  console.log(`the suite could not run: ${error.message}\n0 passed, 1 failed`);
} finally {
  remove(names);
  if (code === 0 && !process.argv.includes('--keep')) rmSync(folder, { recursive: true, force: true });
  else console.log(`logs are kept in ${folder}`);
}
process.exit(code);
