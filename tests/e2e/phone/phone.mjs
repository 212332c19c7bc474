// A strict, scriptable desk phone: SIP over UDP, digest, G.711 over RTP/AVP and nothing else.
//
// It refuses with 488, and reports as a violation, any body that a phone of twenty years ago would
// choke on. It never repairs what the edge sent. One phone is one user with one contact.
import { randomBytes } from 'node:crypto';
import { IncomingCall } from './callee.mjs';
import { OutgoingCall } from './caller.mjs';
import { answer as digest } from './digest.mjs';
import { Media } from './media.mjs';
import { Message, tagOf } from './message.mjs';
import { Transport, branch } from './transport.mjs';

export class Phone {
  /**
   * options: user, password, domain, address (own), registrar {host, port}, network (the prefix of
   * the phones' addresses), tone (Hz), toneStep (Hz that each further call's tone is higher), echo, strict, codecs (payload types, preferred first).
   */
  static async open(options, emit) {
    const phone = new Phone({ strict: true, codecs: [0, 8], tone: 440, ...options }, emit);
    phone.transport = await Transport.open(options.address, 0, (request, from) => phone.receive(request, from));
    phone.contact = `<sip:${options.user}@${options.address}:${phone.transport.port}>`;
    return phone;
  }

  constructor(options, emit) {
    Object.assign(this, { options, emit, registrar: options.registrar });
    this.behaviour = { mode: 'answer' };
    this.calls = new Map();
    this.registration = { callId: `${randomBytes(8).toString('hex')}@phone`, cseq: 0, tag: randomBytes(4).toString('hex') };
  }

  credentials(challenge, method, uri) {
    const proxy = challenge.status === 407;
    const given = challenge.get(proxy ? 'proxy-authenticate' : 'www-authenticate');
    return [[proxy ? 'Proxy-Authorization' : 'Authorization', digest(given, { ...this.options, method, uri })]];
  }

  register(expires = 600, auth = []) {
    const { user, domain } = this.options;
    const { callId, tag } = this.registration;
    const uri = `sip:${domain}`;
    const request = new Message(`REGISTER ${uri} SIP/2.0`, [
      this.transport.via(branch()),
      ['Max-Forwards', '70'],
      ['From', `<sip:${user}@${domain}>;tag=${tag}`],
      ['To', `<sip:${user}@${domain}>`],
      ['Call-ID', callId],
      ['CSeq', `${++this.registration.cseq} REGISTER`],
      ['Contact', `${this.contact};expires=${expires}`],
      ...auth,
    ]);
    return new Promise((resolve) => {
      this.transport.request(request, this.registrar, (response) => {
        if (response.status < 200) return;
        if (response.status === 401 && !auth.length) return resolve(this.register(expires, this.credentials(response, 'REGISTER', uri)));
        resolve(response.status);
      });
    });
  }

  newMedia(id) {
    const { address, echo, toneStep = 0 } = this.options;
    const tone = this.options.tone + toneStep * this.calls.size;
    return Media.open(address, { tone, echo, onDigit: (digit) => this.emit('digit', { call: id(), digit }) });
  }

  async call(target, options) {
    let call;
    const media = await this.newMedia(() => call.id);
    call = new OutgoingCall(this, media, target, options);
    this.calls.set(call.id, call);
    call.invite();
    return call.id;
  }

  /** An incoming request finds its call by Call-ID and our tag, or is a new call. */
  receive(request, from) {
    const tag = tagOf(request.get('to'));
    const call = this.calls.get(`${request.get('call-id')} ${tag}`);
    if (call) return call.receive(request, from);
    const ringing = [...this.calls.values()].find((c) => c.request0 && c.request0.branch === request.branch);
    if (request.method === 'CANCEL' && ringing) return ringing.receiveCancel(request, from);
    if (request.method === 'ACK') return;
    if (request.method === 'OPTIONS') return this.transport.answer(request, request.respond(200, 'OK', { tag: 'options' }), from);
    if (request.method !== 'INVITE' || tag) return this.transport.answer(request, request.respond(481, 'Call/Transaction Does Not Exist', { tag: 'none' }), from);
    this.ring(request, from);
  }

  async ring(request, from) {
    this.transport.answer(request, request.respond(100, 'Trying'), from);
    let call;
    const media = await this.newMedia(() => call.id);
    call = new IncomingCall(this, media, request, from);
    this.calls.set(call.id, call);
    call.arrive(this.behaviour);
  }

  close() {
    for (const call of this.calls.values()) call.end({ by: 'close' });
    this.transport.close();
  }
}
