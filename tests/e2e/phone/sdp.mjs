// The phone's SDP: G.711 and telephone-event over RTP/AVP, and a strict eye for anything else.

const WEBRTC = /^a=(candidate|end-of-candidates|ice-|fingerprint|setup|crypto|tls-id|rtcp-mux|rtcp-rsize|rtcp-fb|mid|msid|extmap|ssrc|group|bundle-only)/;

export const DIRECTIONS = ['sendrecv', 'sendonly', 'recvonly', 'inactive'];
export const mirrored = { sendrecv: 'sendrecv', sendonly: 'recvonly', recvonly: 'sendonly', inactive: 'inactive' };

/** An offer or answer. `version` must rise when anything changes (RFC 3264 8). */
export function write({ address, port, version, codecs, digits, direction }) {
  const types = [...codecs, ...(digits === undefined ? [] : [digits])];
  return [
    'v=0',
    `o=phone 1000 ${version} IN IP4 ${address}`,
    's=-',
    `c=IN IP4 ${address}`,
    't=0 0',
    `m=audio ${port} RTP/AVP ${types.join(' ')}`,
    ...codecs.map((type) => `a=rtpmap:${type} ${type === 0 ? 'PCMU' : 'PCMA'}/8000`),
    ...(digits === undefined ? [] : [`a=rtpmap:${digits} telephone-event/8000`, `a=fmtp:${digits} 0-16`]),
    'a=ptime:20',
    `a=${direction}`,
    '',
  ].join('\r\n');
}

/** What the phone needs of a body: the first audio line. */
export function read(body) {
  const lines = body.split(/\r?\n/);
  const audioAt = lines.findIndex((line) => line.startsWith('m=audio '));
  if (audioAt < 0) return undefined;
  const after = lines.findIndex((line, i) => i > audioAt && line.startsWith('m='));
  const media = lines.slice(audioAt, after < 0 ? undefined : after);
  const session = lines.slice(0, lines.findIndex((line) => line.startsWith('m=')));
  const [, port, proto, ...types] = media[0].slice(2).split(/\s+/);
  const find = (test) => media.find(test) ?? session.find(test);
  const rtcp = media.find((line) => line.startsWith('a=rtcp:'))?.slice(7).split(' ')[0];
  const digits = media.map((line) => /^a=rtpmap:(\d+) telephone-event\/8000/i.exec(line)?.[1]).find(Boolean);
  return {
    address: find((line) => line.startsWith('c='))?.split(' ')[2],
    port: Number(port),
    rtcpPort: Number(rtcp ?? Number(port) + 1),
    proto,
    codecs: types.map(Number).filter((type) => type === 0 || type === 8),
    digits: digits === undefined ? undefined : Number(digits),
    direction: (find((line) => DIRECTIONS.includes(line.slice(2))) ?? 'a=sendrecv').slice(2),
  };
}

/** Everything in a body that an ordinary phone must never be shown, one line of reason each. */
export function violations(body, { network }) {
  const found = [];
  for (const line of body.split(/\r?\n/)) {
    if (line.startsWith('m=') && line.split(' ')[2] !== 'RTP/AVP') found.push(`not RTP/AVP: ${line}`);
    if (WEBRTC.test(line)) found.push(`WebRTC attribute: ${line}`);
    if (/\.(local|invalid)\b/.test(line)) found.push(`a browser's hidden name: ${line}`);
    for (const address of line.match(/\b\d+\.\d+\.\d+\.\d+\b/g) ?? []) {
      if (!line.startsWith('a=rtpmap') && !address.startsWith(network)) found.push(`an address that is not of the phones' network: ${line}`);
    }
  }
  if (Buffer.byteLength(body) > 1024) found.push(`a body of ${Buffer.byteLength(body)} bytes, over 1024`);
  return found;
}
