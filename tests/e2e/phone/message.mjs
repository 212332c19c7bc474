// SIP messages as the phone needs them: parsed into lines, written back out.

const COMPACT = { v: 'via', f: 'from', t: 'to', i: 'call-id', m: 'contact', l: 'content-length', c: 'content-type', k: 'supported' };

export class Message {
  constructor(startLine, headers = [], body = '') {
    this.startLine = startLine;
    this.headers = headers;
    this.body = body;
    const parts = startLine.split(' ');
    if (parts[0] === 'SIP/2.0') {
      this.status = Number(parts[1]);
      this.reason = parts.slice(2).join(' ');
    } else {
      this.method = parts[0];
      this.uri = parts[1];
    }
  }

  static parse(bytes) {
    const text = bytes.toString('utf8');
    const split = text.indexOf('\r\n\r\n');
    if (split < 0) return undefined;
    const lines = text.slice(0, split).replace(/\r\n[ \t]+/g, ' ').split('\r\n');
    const headers = lines.slice(1).map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
    });
    return new Message(lines[0], headers, text.slice(split + 4));
  }

  /** Every line of this name, in order. */
  lines(name) {
    const wanted = name.toLowerCase();
    return this.headers.filter(([n]) => (COMPACT[n.toLowerCase()] ?? n.toLowerCase()) === wanted).map(([, v]) => v);
  }

  get(name) {
    return this.lines(name)[0];
  }

  /** Every value of a comma-separated header, commas in quotes and angle brackets left alone. */
  values(name) {
    return this.lines(name).flatMap((line) => line.match(/(?:"(?:\\.|[^"])*"|<[^>]*>|[^,"<])+/g) ?? []).map((v) => v.trim());
  }

  get cseq() {
    const [number, method] = this.get('cseq').split(/\s+/);
    return { number: Number(number), method };
  }

  get branch() {
    return /;branch=([^;,\s]+)/.exec(this.get('via'))?.[1];
  }

  toString() {
    const rest = this.headers.filter(([n]) => n.toLowerCase() !== 'content-length');
    const length = Buffer.byteLength(this.body);
    return [this.startLine, ...rest.map(([n, v]) => `${n}: ${v}`), `Content-Length: ${length}`, '', this.body].join('\r\n');
  }

  /** A response to this request, with what RFC 3261 8.2.6 copies. */
  respond(status, reason, { tag, headers = [], body = '' } = {}) {
    const copied = ['via', 'record-route', 'from', 'to', 'call-id', 'cseq'].flatMap((name) =>
      this.lines(name).map((value) => [name, name === 'to' && tag && !tagOf(value) ? `${value};tag=${tag}` : value]),
    );
    return new Message(`SIP/2.0 ${status} ${reason}`, [...copied, ...headers], body);
  }
}

export const tagOf = (nameAddr) => /;\s*tag=([^;\s]+)/i.exec(nameAddr ?? '')?.[1];

/** The URI of a name-addr or addr-spec. */
export const uriOf = (nameAddr) => /<([^>]*)>/.exec(nameAddr)?.[1] ?? nameAddr.split(';')[0].trim();

/** Where a request for this URI goes: numeric addresses only, as all ours are. */
export function addressOf(uri) {
  const match = /^sips?:(?:[^@]*@)?([^:;?>]+)(?::(\d+))?/.exec(uri);
  return match && { host: match[1], port: Number(match[2] ?? 5060) };
}
