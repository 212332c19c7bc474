// One call of the phone: its dialog (RFC 3261 12), its offers and answers, its media.
import { randomBytes } from 'node:crypto';
import { Message, addressOf, uriOf } from './message.mjs';
import { mirrored, read, violations, write } from './sdp.mjs';
import { branch } from './transport.mjs';

export const SDP = [['Content-Type', 'application/sdp']];

export class Call {
  constructor(phone, media, { callId, localTag }) {
    Object.assign(this, { phone, media, callId, localTag });
    this.id = `${callId} ${localTag}`;
    this.cseq = 1;
    this.version = 1;
    this.routes = [];
    this.direction = 'sendrecv';
    this.state = 'new';
  }

  emit(event, detail = {}) {
    this.phone.emit(event, { call: this.id, ...detail });
  }

  // ---- bodies

  localSdp(direction = this.direction) {
    const { address, codecs } = this.phone.options;
    // An answer keeps the offer's number for telephone-event (RFC 3264 6.1); an offer of ours says 101.
    const digits = this.remote ? this.remote.digits : 101;
    return write({ address, port: this.media.port, version: this.version++, codecs, digits, direction });
  }

  /** Looks at a body with the strict eye; true when an ordinary phone would take it. */
  accept(body) {
    const found = this.phone.options.strict ? violations(body, this.phone.options) : [];
    const sdp = read(body);
    if (!sdp) found.push('no audio in the body');
    else if (sdp.address === '0.0.0.0') found.push('a zero address in c=');
    else if (sdp.codecs.length === 0) found.push('no G.711 offered');
    if (found.length) {
      this.emit('violation', { found, body });
      return false;
    }
    this.remote = sdp;
    return true;
  }

  /** Media follows the last offer and answer. `direction` is ours. */
  flow(direction) {
    this.direction = direction;
    this.media.point(this.remote, direction);
  }

  // ---- what we send

  /** A request inside the dialog (RFC 3261 12.2.1.1). */
  request(method, { headers = [], body = '', cseq = ++this.cseq, auth = [] } = {}) {
    const { user, domain } = this.phone.options;
    return new Message(
      `${method} ${this.target} SIP/2.0`,
      [
        this.phone.transport.via(branch()),
        ['Max-Forwards', '70'],
        ...this.routes.map((route) => ['Route', route]),
        ['From', this.localParty ?? `<sip:${user}@${domain}>;tag=${this.localTag}`],
        ['To', this.remoteParty],
        ['Call-ID', this.callId],
        ['CSeq', `${cseq} ${method}`],
        ['Contact', this.phone.contact],
        ...auth,
        ...headers,
      ],
      body,
    );
  }

  get nextHop() {
    return addressOf(this.routes.length ? uriOf(this.routes[0]) : this.target);
  }

  send(method, options = {}, auth = []) {
    return new Promise((resolve) => {
      const request = this.request(method, { ...options, auth });
      this.phone.transport.request(request, this.nextHop, (response) => {
        if (response.status < 200) return;
        if ((response.status === 401 || response.status === 407) && !auth.length) {
          if (method === 'INVITE') this.ack(response.cseq.number, '', request);
          return resolve(this.send(method, options, this.phone.credentials(response, method, this.target)));
        }
        resolve(response);
      });
    });
  }

  /** ACK: for a 2xx a request of its own, for anything else on the INVITE's branch. */
  ack(cseq, body = '', failed = undefined) {
    const ack = this.request('ACK', { cseq, body, headers: body ? SDP : [] });
    if (failed) ack.headers[0] = ['Via', failed.get('via')];
    this.lastAck = ack;
    this.phone.transport.write(ack, this.nextHop);
  }

  async bye() {
    this.state = 'ended';
    const response = await this.send('BYE');
    this.end({ by: 'local', status: response.status });
    return response.status;
  }

  async info(type, body) {
    return (await this.send('INFO', { headers: [['Content-Type', type]], body })).status;
  }

  /** A re-INVITE with this direction: `sendonly` holds, `sendrecv` resumes. */
  async reinvite(direction) {
    const response = await this.send('INVITE', { headers: SDP, body: this.localSdp(direction) });
    this.ack(response.cseq.number);
    if (response.status !== 200) throw new Error(`re-INVITE was answered ${response.status} ${response.reason}`);
    if (!this.accept(response.body)) throw new Error('the answer to a re-INVITE is not for a phone');
    this.flow(direction === 'sendrecv' ? mirrored[this.remote.direction] : direction);
    return this.remote.direction;
  }

  // ---- what comes in

  receive(request, from) {
    const answer = (status, reason, extra = {}) => this.phone.transport.answer(request, request.respond(status, reason, { tag: this.localTag, ...extra }), from);
    switch (request.method) {
      case 'BYE':
        answer(200, 'OK');
        return this.end({ by: 'remote', reason: request.get('reason') });
      case 'INFO':
        answer(200, 'OK');
        return this.emit('info', { type: request.get('content-type'), body: request.body });
      case 'INVITE':
        return this.receiveReinvite(request, answer);
      case 'UPDATE':
      case 'OPTIONS':
        return answer(200, 'OK');
      case 'ACK':
        return this.receiveAck(request);
      default:
        return answer(405, 'Method Not Allowed');
    }
  }

  receiveReinvite(request, answer) {
    if (request.get('contact')) this.target = uriOf(request.get('contact'));
    if (!this.accept(request.body)) return answer(488, 'Not Acceptable Here');
    const direction = mirrored[this.remote.direction];
    this.flow(direction);
    answer(200, 'OK', { headers: [['Contact', this.phone.contact], ...SDP], body: this.localSdp() });
    this.emit('reinvite', { direction });
  }

  receiveAck(request) {
    clearTimeout(this.repeating);
    if (request.body && this.awaitsAnswer) {
      this.awaitsAnswer = false;
      if (this.accept(request.body)) this.flow('sendrecv');
    }
    if (this.state !== 'confirmed') {
      this.state = 'confirmed';
      this.emit('confirmed');
    }
  }

  end(detail) {
    if (this.gone) return;
    this.gone = true;
    this.state = 'ended';
    clearTimeout(this.repeating);
    this.figures = this.media.figures();
    this.media.close();
    this.emit('ended', detail);
  }
}

export const newTag = () => randomBytes(6).toString('hex');
