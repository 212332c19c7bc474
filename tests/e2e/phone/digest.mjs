// Digest answers to a challenge (RFC 2617, MD5, qop=auth): what desk phones have always done.
import { createHash, randomBytes } from 'node:crypto';

const md5 = (text) => createHash('md5').update(text).digest('hex');
const field = (challenge, name) => new RegExp(`\\b${name}="?([^",]+)"?`, 'i').exec(challenge)?.[1];

/** The value of Authorization or Proxy-Authorization. */
export function answer(challenge, { user, password, method, uri }) {
  const realm = field(challenge, 'realm');
  const nonce = field(challenge, 'nonce');
  const opaque = field(challenge, 'opaque');
  const ha1 = md5(`${user}:${realm}:${password}`);
  const ha2 = md5(`${method}:${uri}`);
  const base = `Digest username="${user}", realm="${realm}", nonce="${nonce}", uri="${uri}", algorithm=MD5`;
  const tail = opaque ? `, opaque="${opaque}"` : '';
  if (!field(challenge, 'qop')) return `${base}, response="${md5(`${ha1}:${nonce}:${ha2}`)}"${tail}`;
  const cnonce = randomBytes(8).toString('hex');
  const response = md5(`${ha1}:${nonce}:00000001:${cnonce}:auth:${ha2}`);
  return `${base}, qop=auth, nc=00000001, cnonce="${cnonce}", response="${response}"${tail}`;
}
