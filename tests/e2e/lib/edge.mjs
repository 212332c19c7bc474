// The edge under test: ours, or the anchor (Kamailio + rtpengine) that it is measured beside.
// Both offer the same things: WS and WSS URLs for browsers, one UDP address for the SIP server.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { ADDRESSES } from './net.mjs';
import { fallen, says, start, tail } from './processes.mjs';
import { DOMAIN, fill, modules, startKamailio } from './registrar.mjs';

const TO_PHONE = 'replace-origin replace-session-connection RTP/AVP ICE=remove rtcp-mux-demux direction=pub direction=priv';
const TO_BROWSER = 'replace-origin replace-session-connection UDP/TLS/RTP/SAVPF ICE=force rtcp-mux-offer generate-mid SDES-off direction=priv direction=pub';

/** A self-signed certificate for WSS, made for this run. */
function certificate(run) {
  const [cert, key] = [join(run.folder, 'cert.pem'), join(run.folder, 'key.pem')];
  const subject = ['-subj', '/CN=edge', '-addext', `subjectAltName=IP:${ADDRESSES.edgePublic}`];
  if (!existsSync(cert))
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-keyout', key, '-out', cert, ...subject], { stdio: 'ignore' });
  return { cert, key };
}

const urls = (ws, wss) => ({
  ws: `ws://${ADDRESSES.edgePublic}:${ws}/`,
  wss: `wss://${ADDRESSES.edgePublic}:${wss}/`,
});

/** Resolves when something listens there. */
async function listening(port, ms = 10000) {
  const until = performance.now() + ms;
  for (;;) {
    const open = await new Promise((resolve) => {
      const socket = net.connect(port, ADDRESSES.edgePublic);
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false)).once('close', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (open) return;
    const [gone] = fallen();
    if (gone) throw new Error(`${gone.name} ended (${gone.code}):\n${tail(gone.log)}`);
    if (performance.now() > until) throw new Error(`nothing listens on port ${port} of the edge after ${ms} ms`);
    await new Promise((r) => setTimeout(r, 20));
  }
}

export const anchorIsInstalled = () => existsSync('/usr/sbin/kamailio') && existsSync('/usr/bin/rtpengine');

export async function startAnchor(run) {
  const { edge } = run.names;
  const [ws, wss] = [9080, 9443];
  const rtpengine = start(run, 'anchor-rtpengine', edge, 'rtpengine', [
    '--foreground', '--log-stderr', '--log-level=6', '--table=-1', '--no-fallback', '--num-threads=2',
    `--interface=pub/${ADDRESSES.edgePublic}`, `--interface=priv/${ADDRESSES.edgePrivate}`,
    '--listen-ng=127.0.0.1:2224', '--port-min=50000', '--port-max=59999', `--pidfile=${join(run.folder, 'rtpengine.pid')}`,
  ]);
  await says(rtpengine, /Startup complete/);
  const { cert, key } = certificate(run);
  const config = fill('../anchor/kamailio.cfg', {
    PUBLIC: ADDRESSES.edgePublic, PRIVATE: ADDRESSES.edgePrivate, UPSTREAM: `${ADDRESSES.phones}:5060`,
    WS: ws, WSS: wss, CERT: cert, KEY: key, MODULES: modules(), TO_PHONE, TO_BROWSER,
  });
  await startKamailio(run, 'anchor-kamailio', edge, config);
  await listening(ws);
  return { name: 'anchor', urls: urls(ws, wss), strict: false };
}

export async function startCauseway(run) {
  const [ws, wss] = [8080, 8443];
  const { cert, key } = certificate(run);
  const folder = join(run.folder, 'causeway');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'edge.toml');
  writeFileSync(file, [
    `domain   = "${DOMAIN}"`,
    `upstream = "udp:${ADDRESSES.phones}:5060"`,
    '[listen]',
    `ws   = "${ADDRESSES.edgePublic}:${ws}"`,
    `wss  = "${ADDRESSES.edgePublic}:${wss}"`,
    `udp  = "${ADDRESSES.edgePrivate}:5060"`,
    `cert = "${cert}"`,
    `key  = "${key}"`,
    '[media]',
    `public  = "${ADDRESSES.edgePublic}"`,
    `private = "${ADDRESSES.edgePrivate}"`,
    'ports   = "30000-39999"',
    '',
  ].join('\n'));
  start(run, 'causeway', run.names.edge, run.binary, ['proxy', file], { cwd: folder, env: { RUST_LOG: process.env.RUST_LOG ?? 'info' } });
  await listening(ws);
  return { name: 'causeway', urls: urls(ws, wss), strict: true };
}
