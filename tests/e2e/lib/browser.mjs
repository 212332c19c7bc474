// Headless Chromium and Firefox ESR, driven by puppeteer-core (CDP and WebDriver BiDi), and the
// page that they load. All of it runs in the browsers' namespace, which has no way out.
import { mkdirSync, readFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import puppeteer from 'puppeteer-core';
import { says, start } from './processes.mjs';

export const BROWSERS = ['chromium', 'firefox'];
const EXECUTABLE = { chromium: '/usr/bin/chromium', firefox: '/usr/bin/firefox-esr' };

const CHROMIUM_FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream',
  '--autoplay-policy=no-user-gesture-required', '--ignore-certificate-errors', '--disable-dev-shm-usage',
];

const FIREFOX_PREFS = {
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  'media.autoplay.default': 0,
  'media.autoplay.blocking_policy': 0,
  'media.autoplay.block-webaudio': false,
  'media.gmp-manager.updateEnabled': false,
  'media.gmp-gmpopenh264.enabled': false,
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  // Off the net, and quick: no updates, no experiments, no captive portal, no throttled timers.
  'app.update.auto': false,
  'app.normandy.enabled': false,
  'browser.safebrowsing.malware.enabled': false,
  'browser.safebrowsing.phishing.enabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'extensions.update.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'network.websocket.delay-failed-reconnects': false,
  'services.settings.server': 'data:,',
  'toolkit.telemetry.enabled': false,
  'dom.min_background_timeout_value': 4,
  'dom.timeout.enable_budget_timer_throttling': false,
};

/**
 * Firefox runs Web Audio only against a sound device; a machine for tests has none. PulseAudio with a
 * null sink is one, and hears nothing.
 */
export async function startSound(run) {
  const folder = join(run.folder, 'sound');
  mkdirSync(folder, { recursive: true });
  run.soundServer = `unix:${join(folder, 'socket')}`;
  const modules = ['-L', 'module-null-sink', '-L', `module-native-protocol-unix socket=${join(folder, 'socket')} auth-anonymous=1`];
  const sound = start(run, 'sound', run.names.browsers, 'pulseaudio', ['-n', '-v', '--daemonize=no', '--exit-idle-time=-1', '--use-pid-file=no', ...modules], {
    env: { HOME: folder, XDG_RUNTIME_DIR: folder },
  });
  await says(sound, /Daemon startup complete/);
}

export async function launch(run, kind, { name = kind, prefs = {} } = {}) {
  const folder = join(run.folder, name);
  mkdirSync(folder, { recursive: true });
  const common = { executablePath: EXECUTABLE[kind], headless: true, acceptInsecureCerts: true, userDataDir: folder, protocolTimeout: 60000 };
  const env = { ...process.env, HOME: folder, XDG_CONFIG_HOME: folder, XDG_CACHE_HOME: folder, MOZ_CRASHREPORTER_DISABLE: '1' };
  if (kind === 'firefox') env.PULSE_SERVER = run.soundServer;
  if (kind === 'chromium') return puppeteer.launch({ ...common, env, args: CHROMIUM_FLAGS, pipe: true });
  return puppeteer.launch({ ...common, env, browser: 'firefox', extraPrefsFirefox: { ...FIREFOX_PREFS, ...prefs } });
}

/** Serves the softphone page on localhost, where browsers allow media without TLS. */
export async function servePage() {
  const entry = fileURLToPath(new URL('../page/softphone.js', import.meta.url));
  const bundle = await build({ entryPoints: [entry], bundle: true, write: false, format: 'iife', define: { global: 'window' }, logLevel: 'silent' });
  const script = bundle.outputFiles[0].contents;
  const html = readFileSync(new URL('../page/index.html', import.meta.url));
  const server = http.createServer((request, response) => {
    const isScript = request.url === '/softphone.js';
    response.setHeader('Content-Type', isScript ? 'text/javascript; charset=utf-8' : 'text/html; charset=utf-8');
    response.end(isScript ? script : html);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://localhost:${server.address().port}/`, close: () => server.close() };
}
