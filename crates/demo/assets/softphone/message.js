// SIP messages as text: reading one, writing one, and the few header fields that a
// softphone looks into (RFC 3261 7, 20).

const COMPACT = {
  c: 'content-type', e: 'content-encoding', f: 'from', i: 'call-id', k: 'supported',
  l: 'content-length', m: 'contact', o: 'event', r: 'refer-to', s: 'subject', t: 'to', v: 'via',
};

/** One message. Header names are lower case, in their long form. */
export class Message {
  constructor(fields) {
    Object.assign(this, fields);
  }

  /** Reads a message; undefined when it is none. */
  static parse(text) {
    const end = text.search(/\r?\n\r?\n/);
    if (end < 0) return undefined;
    const body = text.slice(end).replace(/^\r?\n\r?\n/, '');
    const [start, ...lines] = text.slice(0, end).replace(/\r?\n[ \t]+/g, ' ').split(/\r?\n/);
    const headers = lines.map((line) => {
      const [, name, value] = /^([^\s:]+)\s*:\s*(.*?)\s*$/.exec(line) ?? [];
      return [COMPACT[name?.toLowerCase()] ?? name?.toLowerCase(), value];
    });
    const response = /^SIP\/2\.0 (\d{3}) ?(.*)$/.exec(start);
    const request = /^([A-Z]+) (\S+) SIP\/2\.0$/.exec(start);
    if (!(response || request) || headers.some(([name]) => name === undefined)) return undefined;
    return new Message(response
      ? { status: Number(response[1]), reason: response[2], headers, body }
      : { method: request[1], uri: request[2], headers, body });
  }

  /** The first value of that name. */
  get(name) {
    return this.headers.find(([n]) => n === name)?.[1];
  }

  /** All values of that name, lists taken apart at their commas. */
  all(name) {
    return this.headers.filter(([n]) => n === name).flatMap(([, value]) => splitList(value));
  }

  /** All header fields of that name, lists left whole. */
  fields(name) {
    return this.headers.filter(([n]) => n === name).map(([, value]) => value);
  }

  get cseq() {
    const [number, method] = (this.get('cseq') ?? '').split(/\s+/);
    return { number: Number(number), method };
  }

  get branch() {
    return parameter(this.all('via')[0], 'branch');
  }

  get fromTag() {
    return parameter(this.get('from'), 'tag');
  }

  get toTag() {
    return parameter(this.get('to'), 'tag');
  }

  get hasSdp() {
    return this.body !== '' && /^application\/sdp\b/i.test(this.get('content-type') ?? '');
  }
}

/** Writes a message; Content-Length is added. */
export function write(start, headers, body = '') {
  const length = new TextEncoder().encode(body).length;
  const lines = [...headers, ['Content-Length', length]].map(([name, value]) => `${name}: ${value}`);
  return `${[start, ...lines].join('\r\n')}\r\n\r\n${body}`;
}

/** Takes a list apart at commas that stand neither in quotes nor in angle brackets. */
function splitList(value) {
  const parts = value.match(/(?:"(?:[^"\\]|\\.)*"|<[^>]*>|[^,"<])+/g) ?? [];
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}

/** The URI of a name-addr or addr-spec. */
export function uriOf(value = '') {
  const outside = value.replace(/"(?:[^"\\]|\\.)*"/g, '');
  return /<([^>]*)>/.exec(outside)?.[1] ?? outside.split(';')[0].trim();
}

/** A parameter of the header field (never one of the URI in angle brackets). */
export function parameter(value = '', name) {
  const outside = value.replace(/"(?:[^"\\]|\\.)*"/g, '').replace(/<[^>]*>/g, '');
  return new RegExp(`;\\s*${name}\\s*=\\s*([^;,\\s]+)`, 'i').exec(outside)?.[1];
}

/** The user part of a URI, readable. */
export function userOf(uri) {
  const user = /^sips?:([^@;]+)@/i.exec(uri)?.[1] ?? uri.replace(/^sips?:/i, '').split(';')[0];
  try {
    return decodeURIComponent(user.split(':')[0]);
  } catch {
    return user;
  }
}

/** Random text of letters and digits. */
export function random(length) {
  const letters = 'abcdefghijklmnopqrstuvwxyz0123456789';
  return Array.from(crypto.getRandomValues(new Uint8Array(length)), (byte) => letters[byte % letters.length]).join('');
}
