// The user agent: transactions, digest, registration, and handing requests to calls.

import { authorization, strongest } from './digest.js';
import { Message, parameter, random, uriOf, userOf, write } from './message.js';
import { Transport } from './transport.js';

/** 64*T1 (RFC 3261 17): how long an answer may take. */
const ANSWER_TIME = 32_000;
const EXPIRES = 300;
export const ALLOW = 'INVITE, ACK, CANCEL, BYE, UPDATE, INFO, OPTIONS';

/**
 * `on`: `state()` after any change, `trace(direction, line)` for each message,
 * `incoming(invite)` for a new call. `calls` are asked who owns an in-dialog request.
 */
export class Agent {
  registered = false;
  connected = false;
  problem = '';
  calls = new Set();

  #transport;
  #on;
  #pending = new Map();
  #answered = new Map();
  #challenges = { register: new Map(), call: new Map() };
  #refresh;
  #binding = { callId: random(22), tag: random(10), seq: 0 };

  constructor({ url, user, password, domain }, on) {
    Object.assign(this, { user, password, domain });
    this.secure = url.startsWith('wss:');
    this.host = `${random(12)}.invalid`;
    this.contact = `sip:${random(8)}@${this.host};transport=ws`;
    this.#on = on;
    this.#transport = new Transport(url, {
      open: () => this.#opened(),
      message: (text) => this.#received(text),
      closed: (opened) => this.#closed(opened),
    });
  }

  get address() {
    return `sip:${encodeURIComponent(this.user)}@${this.domain}`;
  }

  start() {
    this.#transport.open();
  }

  /** Takes the binding back and closes. Does not wait when `now` is set (the page goes away). */
  async stop(now = false) {
    clearTimeout(this.#refresh);
    if (this.registered) {
      const gone = this.#register(0);
      if (!now) await Promise.race([gone, new Promise((done) => setTimeout(done, 2000))]);
    }
    this.registered = false;
    this.#transport.close();
    this.#on.state();
  }

  /** Opens the WebSocket anew: what a change of network does. For tests and for the curious. */
  reconnect() {
    this.#transport.close();
    this.#closed(true);
    this.#transport.open();
  }

  // --- requests of ours -------------------------------------------------------------------

  /**
   * Sends a request, answers challenges, resolves with the final response. `request`:
   * method, uri, from, to, callId, nextSeq(), route, headers, body; for INVITE also
   * provisional(response) and repeated(response), and it gets `cancel()`.
   */
  async request(request) {
    let challenged = false;
    for (;;) {
      const response = await this.#once(request);
      if (response.status !== 401 && response.status !== 407) return response;
      const name = response.status === 401 ? 'www-authenticate' : 'proxy-authenticate';
      const challenge = strongest(response.fields(name));
      const again = challenge && (!challenged || /^true$/i.test(challenge.stale ?? ''));
      if (!again || request.cancelled) return response;
      challenged = true;
      this.#challengesFor(request).set(response.status, { challenge, count: 0 });
    }
  }

  /** Sends an ACK for a 2xx: a transaction of its own, without an answer. */
  acknowledge(request) {
    this.#send(this.#write({ ...request, method: 'ACK' }, `z9hG4bK${random(16)}`, request.seq));
  }

  #once(request) {
    const branch = `z9hG4bK${random(16)}`;
    const seq = request.nextSeq();
    request.seq = seq;
    request.credentials = this.#credentials(request);
    const text = this.#write(request, branch, seq);
    return new Promise((resolve) => {
      const transaction = { request, branch, seq, resolve, proceeding: false };
      transaction.timer = setTimeout(() => this.#finish(transaction, ours(408, 'Request Timeout')), ANSWER_TIME);
      this.#pending.set(`${branch} ${request.method}`, transaction);
      if (request.method === 'INVITE') request.cancel = () => this.#cancel(transaction);
      if (!this.#send(text)) this.#finish(transaction, ours(503, 'Not connected'));
    });
  }

  /** Of the registrar, or of those on the way of calls: a callee must not see what opens the registrar. */
  #challengesFor({ method }) {
    return method === 'REGISTER' ? this.#challenges.register : this.#challenges.call;
  }

  #credentials(request) {
    return [...this.#challengesFor(request)].map(([status, known]) => {
      known.count += 1;
      const value = authorization(known.challenge, {
        user: this.user,
        password: this.password,
        method: request.method,
        uri: request.uri,
        body: request.body ?? '',
        count: known.count,
        cnonce: random(16),
      });
      return [status === 401 ? 'Authorization' : 'Proxy-Authorization', value];
    });
  }

  #write(request, branch, seq) {
    const { method, uri, from, to, callId, route = [], headers = [], body = '', credentials = [] } = request;
    return write(`${method} ${uri} SIP/2.0`, [
      ['Via', `SIP/2.0/${this.secure ? 'WSS' : 'WS'} ${this.host};branch=${branch}`],
      ...route.map((value) => ['Route', value]),
      ['Max-Forwards', 70],
      ['From', from],
      ['To', to],
      ['Call-ID', callId],
      ['CSeq', `${seq} ${method}`],
      ...(method === 'CANCEL' ? [] : credentials),
      ...(method === 'ACK' || method === 'CANCEL' ? [] : headers),
      ['User-Agent', 'Causeway softphone'],
      ...(body ? [['Content-Type', request.type ?? 'application/sdp']] : []),
    ], body);
  }

  #cancel(transaction) {
    transaction.request.cancelled = true;
    if (!transaction.proceeding || transaction.cancelling || transaction.done) return;
    transaction.cancelling = true;
    const request = { ...transaction.request, method: 'CANCEL', body: '' };
    this.#send(this.#write(request, transaction.branch, transaction.seq));
    transaction.timer = setTimeout(() => this.#finish(transaction, ours(487, 'Request Terminated')), ANSWER_TIME);
  }

  #response(message) {
    const { method } = message.cseq;
    const transaction = this.#pending.get(`${message.branch} ${method}`);
    if (!transaction) return;
    const { request } = transaction;
    if (message.status < 200) {
      clearTimeout(transaction.timer);
      transaction.proceeding = true;
      if (request.cancelled) this.#cancel(transaction);
      request.provisional?.(message);
      return;
    }
    if (method === 'INVITE' && message.status >= 300) {
      const { uri, from, callId, route } = request;
      const ack = { method: 'ACK', uri, from, to: message.get('to'), callId, route };
      this.#send(this.#write(ack, transaction.branch, transaction.seq));
    }
    if (transaction.done) request.repeated?.(message);
    else this.#finish(transaction, message);
  }

  /** Keeps the transaction a while: a 2xx may come again, from another fork too. */
  #finish(transaction, response) {
    if (transaction.done) return;
    transaction.done = true;
    clearTimeout(transaction.timer);
    setTimeout(() => this.#pending.delete(`${transaction.branch} ${transaction.request.method}`), ANSWER_TIME);
    transaction.resolve(response);
  }

  // --- requests of theirs -----------------------------------------------------------------

  /** Answers a request; the answer is kept for its retransmissions. */
  respond(request, status, reason, { tag, headers = [], body = '' } = {}) {
    const to = tag && !request.toTag ? `${request.get('to')};tag=${tag}` : request.get('to');
    const text = write(`SIP/2.0 ${status} ${reason}`, [
      ...request.fields('via').map((value) => ['Via', value]),
      ...(status < 300 ? request.fields('record-route').map((value) => ['Record-Route', value]) : []),
      ['From', request.get('from')],
      ['To', to],
      ['Call-ID', request.get('call-id')],
      ['CSeq', request.get('cseq')],
      ...headers,
      ...(body ? [['Content-Type', 'application/sdp']] : []),
    ], body);
    this.#answered.set(`${request.branch} ${request.method}`, text);
    setTimeout(() => this.#answered.delete(`${request.branch} ${request.method}`), ANSWER_TIME * 2);
    return this.#send(text);
  }

  #requested(request) {
    const before = this.#answered.get(`${request.branch} ${request.method}`);
    if (before && request.method !== 'ACK') return void this.#send(before);
    const call = [...this.calls].find((it) => it.owns(request));
    if (call) return void call.requested(request);
    switch (request.method) {
      case 'ACK':
        return;
      case 'OPTIONS':
        return void this.respond(request, 200, 'OK', { tag: random(10), headers: [['Allow', ALLOW]] });
      case 'INVITE':
        if (request.toTag) break;
        if (request.get('require')) {
          return void this.respond(request, 420, 'Bad Extension', { tag: random(10), headers: [['Unsupported', request.get('require')]] });
        }
        return void this.#on.incoming(request);
      case 'BYE':
      case 'CANCEL':
      case 'UPDATE':
      case 'INFO':
        break;
      default:
        return void this.respond(request, 405, 'Method Not Allowed', { tag: random(10), headers: [['Allow', ALLOW]] });
    }
    this.respond(request, 481, 'Call/Transaction Does Not Exist', { tag: random(10) });
  }

  // --- the flow and the binding -----------------------------------------------------------

  #opened() {
    this.connected = true;
    this.problem = '';
    this.#on.state();
    this.#register(EXPIRES);
  }

  #closed(opened) {
    this.connected = false;
    this.registered = false;
    clearTimeout(this.#refresh);
    this.problem = opened
      ? 'The connection to the server was lost; trying again.'
      : `${this.#transport.url} cannot be reached. Is Causeway running there? For wss with a self-signed certificate, open the https page once and accept it.`;
    for (const transaction of this.#pending.values()) this.#finish(transaction, ours(503, 'Connection lost'));
    this.#on.state();
  }

  async #register(expires) {
    const { callId, tag } = this.#binding;
    const response = await this.request({
      method: 'REGISTER',
      uri: `sip:${this.domain}`,
      from: `<${this.address}>;tag=${tag}`,
      to: `<${this.address}>`,
      callId,
      nextSeq: () => ++this.#binding.seq,
      headers: [
        ['Contact', `<${this.contact}>;expires=${expires}`],
        ['Supported', 'path, outbound'],
        ['Allow', ALLOW],
      ],
    });
    if (expires === 0) return;
    const granted = this.#granted(response);
    this.registered = granted > 0;
    if (this.registered) {
      this.problem = '';
      this.#refresh = setTimeout(() => this.#register(EXPIRES), Math.max(granted * 0.8, 5) * 1000);
    } else if (this.connected) {
      this.problem = refusal(response, this);
      const retry = response.status >= 500 || response.status === 408;
      if (retry) this.#refresh = setTimeout(() => this.#register(EXPIRES), 5000);
    }
    this.#on.state();
  }

  /** Seconds for which the server keeps our binding. */
  #granted(response) {
    if (response.status !== 200) return 0;
    const mine = response.all('contact').find((value) => userOf(uriOf(value)) === userOf(this.contact));
    return mine ? Number(parameter(mine, 'expires') ?? response.get('expires') ?? EXPIRES) : 0;
  }

  #received(text) {
    const message = Message.parse(text);
    this.#on.trace('in', text, message !== undefined);
    if (message === undefined) return;
    if (message.method) this.#requested(message);
    else this.#response(message);
  }

  #send(text) {
    this.#on.trace('out', text, true);
    return this.#transport.send(text);
  }
}

/** An answer that no server gave. */
const ours = (status, reason) => new Message({ status, reason, headers: [], body: '' });

function refusal(response, { user, domain }) {
  switch (response.status) {
    case 200: return 'The server answered without our contact; it does not keep the registration.';
    case 401: case 403: case 407: return `The server refuses ${user}: check the name and the password.`;
    case 404: return `${domain} knows no user ${user}.`;
    case 408: return 'The server does not answer; trying again.';
    default: return `The server answers ${response.status} ${response.reason}.`;
  }
}
