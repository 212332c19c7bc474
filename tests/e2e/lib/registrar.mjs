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

/** `streams`: beside UDP on `port` it also takes TCP there, and TLS on the port after it with this certificate. */
export async function startRegistrar(run, users, { name = 'registrar', port = 5060, streams } = {}) {
  const lines = users.map((user) => `\t$sht(users=>${user}) = "${passwordOf(user)}";`);
  const host = ADDRESSES.phones;
  const transports = [`listen=udp:${host}:${port}`];
  const tls = [];
  if (streams) {
    transports.push('tcp_children=2', 'enable_tls=yes', `listen=tcp:${host}:${port}`, `listen=tls:${host}:${port + 1}`);
    tls.push('loadmodule "tls.so"', 'modparam("tls", "tls_method", "TLSv1.2+")', `modparam("tls", "certificate", "${streams.cert}")`, `modparam("tls", "private_key", "${streams.key}")`);
  } else transports.push('disable_tcp=yes');
  const config = fill('../registrar/kamailio.cfg', {
    DOMAIN, MODULES: modules(), USERS: lines.join('\n'), TRANSPORTS: transports.join('\n'), TLS: tls.join('\n'),
  });
  const server = await startKamailio(run, name, run.names.phones, config);
  return { server, host, port };
}
