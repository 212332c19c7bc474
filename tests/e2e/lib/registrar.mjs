// Kamailio as the existing SIP server: one process, digest users, in the phones' namespace.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ADDRESSES } from './net.mjs';
import { says, start } from './processes.mjs';

export const DOMAIN = 'example.test';
export const passwordOf = (user) => `secret-${user}`;

/** Where Debian keeps Kamailio's modules on this architecture. */
export function modules() {
  const triplet = readdirSync('/usr/lib').find((name) => name.endsWith('-linux-gnu'));
  return `/usr/lib/${triplet}/kamailio/modules`;
}

/** Fills the @NAMES@ of a configuration in. */
export function fill(template, values) {
  const text = readFileSync(new URL(template, import.meta.url), 'utf8');
  return text.replace(/@([A-Z_]+)@/g, (all, name) => values[name] ?? all);
}

/** Starts Kamailio with this configuration and waits until it serves. */
export async function startKamailio(run, name, ns, config) {
  const folder = join(run.folder, name);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'kamailio.cfg');
  writeFileSync(file, config);
  const server = start(run, name, ns, 'kamailio', ['-f', file, '-DD', '-E', '-m', '128', '-M', '16', '-Y', folder, '-P', join(folder, 'pid'), '-w', folder]);
  await says(server, /Listening on/);
  return server;
}

export async function startRegistrar(run, users) {
  const lines = users.map((user) => `\t$sht(users=>${user}) = "${passwordOf(user)}";`);
  const config = fill('../registrar/kamailio.cfg', { ADDRESS: ADDRESSES.phones, DOMAIN, MODULES: modules(), USERS: lines.join('\n') });
  const server = await startKamailio(run, 'registrar', run.names.phones, config);
  return { server, host: ADDRESSES.phones, port: 5060 };
}
