// The judge is judged first: what it must not take for sound, and what the strict phone must refuse.
import { assert } from '../lib/runner.mjs';
import { G711, decode, encode } from '../phone/g711.mjs';
import { violations, write } from '../phone/sdp.mjs';
import { isHeard, judge } from '../phone/tone.mjs';

const RATE = 8000;
const LENGTH = 1600;
const tone = (frequency, level) => Array.from({ length: LENGTH }, (_, i) => level * Math.sin((2 * Math.PI * frequency * i) / RATE));
/** The same noise every time: a linear congruence. */
const noise = (level) => {
  let state = 1;
  return Array.from({ length: LENGTH }, () => ((state = (state * 1103515245 + 12345) % 2 ** 31) / 2 ** 30 - 1) * level);
};

const PLAIN = write({ address: '10.71.0.1', port: 30000, version: 1, codecs: [0, 8], digits: 101, direction: 'sendrecv' });
const BROWSERS_OWN = [
  'm=audio 9 UDP/TLS/RTP/SAVPF 0', 'a=candidate:1 1 udp 1 10.71.0.1 9 typ host', 'a=ice-ufrag:x', 'a=fingerprint:sha-256 00', 'a=setup:actpass',
  'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x', 'a=rtcp-mux', 'a=mid:0', 'a=msid:- x', 'a=extmap:1 urn:x', 'a=ssrc:1 cname:x', 'a=rtcp-fb:0 nack',
  'c=IN IP4 198.51.100.2', 'c=IN IP4 0.0.0.0', 'a=rtcp:9 IN IP4 0b5c.local',
];

export async function all(runner) {
  await runner.run('the judge hears a tone through G.711, and nothing else', async () => {
    for (const codec of Object.values(G711)) {
      const verdict = judge(decode(codec, encode(codec, tone(1000, 0.4))), 1000, RATE);
      assert(isHeard(verdict), `${codec.name} spoils a tone: ${JSON.stringify(verdict)}`);
    }
    const others = { silence: tone(1000, 0), whisper: tone(1000, 0.005), 'another tone': tone(1067, 0.4), noise: noise(0.4) };
    for (const [name, samples] of Object.entries(others)) assert(!isHeard(judge(samples, 1000, RATE)), `${name} is taken for 1000 Hz`);
    return `${Object.keys(others).length} other sounds told apart`;
  });

  await runner.run('the strict phone takes plain RTP/AVP, and refuses all that is WebRTC', async () => {
    const options = { network: '10.71.0.' };
    assert(violations(PLAIN, options).length === 0, violations(PLAIN, options).join('; '));
    for (const line of BROWSERS_OWN) assert(violations(`${PLAIN}${line}\r\n`, options).length > 0, `it takes ${line}`);
    return `${BROWSERS_OWN.length} lines refused`;
  });
}
