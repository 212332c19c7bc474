// The edges: ours; the anchor (Kamailio + rtpengine) that it is measured beside; and two of which one
// half is ours, joined by the ng protocol alone. All offer the same: WS and WSS URLs for browsers, and
// one UDP address for the SIP server. Each has ports of its own, so that several run side by side.
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { ADDRESSES } from './net.mjs';
import { fallen, says, start, tail } from './processes.mjs';
import { DOMAIN, fill, modules, passwordOf, startKamailio } from './registrar.mjs';

const TO_PHONE = 'replace-origin replace-session-connection RTP/AVP ICE=remove rtcp-mux-demux direction=public direction=private';
const TO_BROWSER = 'replace-origin replace-session-connection UDP/TLS/RTP/SAVPF ICE=force rtcp-mux-offer generate-mid SDES-off direction=private direction=public';

/** Where a SIP server takes TCP, and on the next port TLS. */
export const STREAMS = 5070;

const PORTS = {
  causeway: { ws: 8080, wss: 8443, sip: 5060, media: [30000, 39999] },
  anchor: { ws: 9080, wss: 9443, sip: 5070, media: [50000, 59999], ng: 2224 },
  'kamailio+relay': { ws: 9180, wss: 9543, sip: 5080, media: [40000, 44999], ng: 2225 },
  // Its users call one another: no SIP server, and no phones' side.
  local: { ws: 8280, wss: 8643, media: [20000, 24999], upstream: [] },
  'sign-in': { ws: 8480, wss: 8843, sip: 5120, media: [15000, 19999] },
  mid: { ws: 8380, wss: 8743, sip: 5110, media: [25000, 29999] },
  tcp: { ws: 8680, wss: 9043, sip: 5140, media: [11000, 12999], upstream: ['tcp', STREAMS] },
  tls: { ws: 8580, wss: 8943, sip: 5130, media: [13000, 14999], upstream: ['tls', STREAMS + 1] },
  'proxy+rtpengine': { ws: 8180, wss: 8543, sip: 5090, media: [45000, 49999], ng: 2226 },
};

/** Starts the edge of that name. `strict`: the phone refuses all that is WebRTC; `bundles`: a browser's media share one port; `limitMs`: to the first audio, by the median. */
export function startEdge(run, name) {
  if (!EDGES[name]) throw new Error(`there is no edge '${name}'; there are ${Object.keys(EDGES).join(', ')}`);
  return EDGES[name](run, name, PORTS[name]);
}

const EDGES = {
  async causeway(run, name, ports) {
    await startProxy(run, name, ports);
    return { name, urls: urls(ports), strict: true, bundles: true, limitMs: 100 };
  },
  async local(run, name, ports) {
    const users = ['alice', 'bob'].map((user) => `${user} = "${passwordOf(user)}"`);
    await startProxy(run, name, ports, ['[users]', ...users], ['registration = "local"']);
    return { name, urls: urls(ports), strict: true };
  },
  async mid(run, name, ports) {
    await startProxy(run, name, ports, [], ['registration = "mid"']);
    return { name, urls: urls(ports), strict: true };
  },
  async tcp(run, name, ports) {
    await startProxy(run, name, ports);
    return { name, urls: urls(ports), strict: true };
  },
  async tls(run, name, ports) {
    await startProxy(run, name, ports, ['[tls]', `upstream_ca = "${certificate(run).cert}"`]);
    return { name, urls: urls(ports), strict: true };
  },
  async 'sign-in'(run, name, ports) {
    const { lines, tokenOf } = issuer(run, name, ['alice', 'bob']);
    await startProxy(run, name, ports, lines);
    return { name, urls: urls(ports), strict: true, tokenOf };
  },
  async anchor(run, name, ports) {
    await startRtpengine(run, name, ports);
    await startKamailioEdge(run, name, ports);
    return { name, urls: urls(ports), strict: false };
  },
  // What the phone is shown besides its own protocol is in the hands of Kamailio's script, which takes nothing
  // out: the phone is not strict here, as it is not with the anchor.
  async 'kamailio+relay'(run, name, ports) {
    const relay = startCauseway(run, name, ports, ['relay'], ['--control', `127.0.0.1:${ports.ng}`]);
    await says(relay, /commands: udp/);
    await startKamailioEdge(run, name, ports);
    return { name, urls: urls(ports), strict: false };
  },
  async 'proxy+rtpengine'(run, name, ports) {
    await startRtpengine(run, name, ports);
    await startProxy(run, name, ports, ['[relay]', `control = ["udp:127.0.0.1:${ports.ng}"]`]);
    return { name, urls: urls(ports), strict: true };
  },
};

/** Whether this machine has what the edge is made of; Kamailio is always there, as the registrar. */
export const isInstalled = (name) => existsSync('/usr/sbin/kamailio') && (!/anchor|rtpengine/.test(name) || existsSync('/usr/bin/rtpengine'));

async function startRtpengine(run, name, { ng, media: [low, high] }) {
  const rtpengine = start(run, `${name}-rtpengine`, run.names.edge, 'rtpengine', [
    '--config-file=none', '--foreground', '--log-stderr', '--log-level=6', '--table=-1', '--no-fallback', '--num-threads=2',
    `--interface=public/${ADDRESSES.edgePublic}`, `--interface=private/${ADDRESSES.edgePrivate}`,
    `--listen-ng=127.0.0.1:${ng}`, `--port-min=${low}`, `--port-max=${high}`, `--pidfile=${join(run.folder, `${name}-rtpengine.pid`)}`,
  ]);
  await says(rtpengine, /Startup complete/);
}

async function startKamailioEdge(run, name, { ws, wss, sip, ng }) {
  const { cert, key } = certificate(run);
  const config = fill('../anchor/kamailio.cfg', {
    PUBLIC: ADDRESSES.edgePublic, PRIVATE: ADDRESSES.edgePrivate, UPSTREAM: `${ADDRESSES.phones}:5060`,
    WS: ws, WSS: wss, SIP: sip, NG: ng, CERT: cert, KEY: key, MODULES: modules(), TO_PHONE, TO_BROWSER,
  });
  await startKamailio(run, `${name}-kamailio`, run.names.edge, config);
  await listening(ws);
}

/** Somebody who signs tokens: what the edge's file says of him, and a token for each of his users. */
function issuer(run, name, users) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const folder = join(run.folder, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'keys.json'), JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'one', use: 'sig' }] }));
  writeFileSync(join(folder, 'accounts.txt'), users.map((user) => `u-${user} ${user} ${passwordOf(user)}\n`).join(''));
  const lines = ['[sign_in]', 'issuer = "https://login.example.test/"', 'audience = "sip"', 'jwks = "keys.json"', 'accounts = "accounts.txt"'];
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const tokenOf = (user, seconds = 3600) => {
    const claims = { iss: 'https://login.example.test/', aud: 'sip', sub: `u-${user}`, exp: Math.floor(Date.now() / 1000) + seconds };
    const text = `${part({ alg: 'ES256', kid: 'one' })}.${part(claims)}`;
    return `${text}.${sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  };
  return { lines, tokenOf };
}

/** Our proxy, with a relay of its own unless `more` names another. */
async function startProxy(run, name, ports, more, first) {
  startCauseway(run, name, ports, ['proxy'], [], more, first);
  await listening(ports.ws);
}

/** One of our programs on a whole edge's file. */
function startCauseway(run, name, { ws, wss, sip, media: [low, high], upstream: [transport, port] = ['udp', 5060] }, before, after = [], more = [], first = []) {
  const { cert, key } = certificate(run);
  const folder = join(run.folder, name);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'edge.toml');
  writeFileSync(file, [
    ...first,
    `domain   = "${DOMAIN}"`,
    ...(transport ? [`upstream = "${transport}:${ADDRESSES.phones}:${port}"`] : []),
    '[listen]',
    `ws   = "${ADDRESSES.edgePublic}:${ws}"`,
    `wss  = "${ADDRESSES.edgePublic}:${wss}"`,
    ...(transport ? [`${transport}  = "${ADDRESSES.edgePrivate}:${sip}"`] : []),
    `cert = "${cert}"`,
    `key  = "${key}"`,
    'origins = ["*"]', // the page is served by somebody else
    '[media]',
    `public  = "${ADDRESSES.edgePublic}"`,
    ...(transport ? [`private = "${ADDRESSES.edgePrivate}"`] : []),
    `ports   = "${low}-${high}"`,
    // More than one, so that browsers' packets come to other threads than their own.
    'shards  = 3',
    ...more,
    '',
  ].join('\n'));
  return start(run, name, run.names.edge, run.binary, [...before, file, ...after], { cwd: folder, env: { RUST_LOG: process.env.RUST_LOG ?? 'info' } });
}

const urls = ({ ws, wss }) => ({
  ws: `ws://${ADDRESSES.edgePublic}:${ws}/`,
  wss: `wss://${ADDRESSES.edgePublic}:${wss}/`,
});

/** A self-signed certificate for WSS and the SIP server's TLS, made for this run. */
export function certificate(run) {
  const [cert, key] = [join(run.folder, 'cert.pem'), join(run.folder, 'key.pem')];
  const subject = ['-subj', '/CN=edge', '-addext', 'basicConstraints=critical,CA:FALSE', '-addext', `subjectAltName=IP:${ADDRESSES.edgePublic},IP:${ADDRESSES.phones}`];
  if (!existsSync(cert))
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-keyout', key, '-out', cert, ...subject], { stdio: 'ignore' });
  return { cert, key };
}

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
