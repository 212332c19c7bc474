// The client's half of SIP digest (RFC 3261 22, RFC 8760).

import { md5, sha256 } from './hash.js';

const HASHES = { 'SHA-256': sha256, MD5: md5 };

/** Reads `Digest realm="...", nonce="..."` into an object with lower-case keys. */
export function challengeOf(header) {
  const parameters = {};
  if (!/^\s*digest\s/i.test(header)) return undefined;
  for (const [, name, quoted, bare] of header.matchAll(/([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))/g)) {
    parameters[name.toLowerCase()] = quoted === undefined ? bare : quoted.replace(/\\(.)/g, '$1');
  }
  parameters.algorithm = (parameters.algorithm ?? 'MD5').toUpperCase();
  return parameters.nonce === undefined ? undefined : parameters;
}

/** The strongest challenge that we can answer. */
export function strongest(headers) {
  const challenges = headers.map(challengeOf).filter((c) => c && HASHES[c.algorithm] && qopOf(c) !== undefined);
  return challenges.find((c) => c.algorithm === 'SHA-256') ?? challenges[0];
}

/** '' without qop (RFC 2069), undefined when only unknown ones are offered. */
function qopOf(challenge) {
  if (challenge.qop === undefined) return '';
  const offered = challenge.qop.toLowerCase().split(',').map((q) => q.trim());
  return ['auth', 'auth-int'].find((q) => offered.includes(q));
}

const quote = (text) => `"${text.replace(/(["\\])/g, '\\$1')}"`;

/**
 * The value of (Proxy-)Authorization. `count` is how often this nonce was used, from 1;
 * `cnonce` is random.
 */
export function authorization(challenge, { user, password, method, uri, body, count, cnonce }) {
  const hash = HASHES[challenge.algorithm];
  const qop = qopOf(challenge);
  const nc = count.toString(16).padStart(8, '0');
  const ha1 = hash(`${user}:${challenge.realm ?? ''}:${password}`);
  const ha2 = hash(qop === 'auth-int' ? `${method}:${uri}:${hash(body)}` : `${method}:${uri}`);
  const middle = qop ? `${challenge.nonce}:${nc}:${cnonce}:${qop}` : challenge.nonce;
  const parts = [
    `username=${quote(user)}`,
    `realm=${quote(challenge.realm ?? '')}`,
    `nonce=${quote(challenge.nonce)}`,
    `uri=${quote(uri)}`,
    `response="${hash(`${ha1}:${middle}:${ha2}`)}"`,
    `algorithm=${challenge.algorithm}`,
  ];
  if (qop) parts.push(`qop=${qop}`, `nc=${nc}`, `cnonce=${quote(cnonce)}`);
  if (challenge.opaque !== undefined) parts.push(`opaque=${quote(challenge.opaque)}`);
  return `Digest ${parts.join(', ')}`;
}
