// The calling side: INVITE with or without an offer, the challenge, early media, CANCEL.
import { randomBytes } from 'node:crypto';
import { Call, SDP, newTag } from './call.mjs';
import { Message, uriOf } from './message.mjs';
import { branch } from './transport.mjs';

export class OutgoingCall extends Call {
  constructor(phone, media, target, { offer = true } = {}) {
    super(phone, media, { callId: `${randomBytes(10).toString('hex')}@phone`, localTag: newTag() });
    Object.assign(this, { target, requestUri: target, offer });
    this.remoteParty = `<${target}>`;
    this.body = offer ? this.localSdp() : '';
  }

  invite(auth = []) {
    const { user, domain } = this.phone.options;
    this.cseq += 1;
    this.invitation = new Message(
      `INVITE ${this.requestUri} SIP/2.0`,
      [
        this.phone.transport.via(branch()),
        ['Max-Forwards', '70'],
        ['From', `<sip:${user}@${domain}>;tag=${this.localTag}`],
        ['To', `<${this.requestUri}>`],
        ['Call-ID', this.callId],
        ['CSeq', `${this.cseq} INVITE`],
        ['Contact', this.phone.contact],
        ['Allow', 'INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE'],
        ...auth,
        ...(this.body ? SDP : []),
      ],
      this.body,
    );
    this.authenticated = auth.length > 0;
    this.state = 'calling';
    this.invitedAt ??= Date.now();
    this.phone.transport.request(this.invitation, this.phone.registrar, (response) => this.receiveResponse(response));
  }

  receiveResponse(response) {
    if (response.cseq.number !== this.cseq && this.state === 'calling') return;
    if (response.status === 100) return;
    if (response.status < 200) return this.receiveProvisional(response);
    if (response.status < 300) return this.receiveSuccess(response);
    this.ackFailure(response);
    if ((response.status === 401 || response.status === 407) && !this.authenticated && this.state !== 'cancelled')
      return this.invite(this.phone.credentials(response, 'INVITE', this.requestUri));
    this.end({ by: 'remote', status: response.status });
  }

  receiveProvisional(response) {
    if (response.body && this.offer && this.accept(response.body)) this.flow('sendrecv');
    this.emit('ringing', { status: response.status });
  }

  receiveSuccess(response) {
    if (this.state === 'confirmed') return void this.phone.transport.write(this.lastAck, this.nextHop);
    this.remoteParty = response.get('to');
    this.target = uriOf(response.get('contact'));
    this.routes = response.values('record-route').reverse();
    const good = this.accept(response.body);
    this.state = 'confirmed';
    if (good) this.flow('sendrecv');
    this.ack(this.cseq, good && !this.offer ? this.localSdp() : '');
    this.emit('confirmed', { invitedAt: this.invitedAt });
    if (!good) this.bye();
  }

  /** The ACK of a failure goes where the INVITE went, on its branch (RFC 3261 17.1.1.3). */
  ackFailure(response) {
    const kept = ['via', 'max-forwards', 'from', 'call-id'].map((name) => [name, this.invitation.get(name)]);
    const ack = new Message(`ACK ${this.requestUri} SIP/2.0`, [...kept, ['To', response.get('to')], ['CSeq', `${response.cseq.number} ACK`]]);
    this.phone.transport.write(ack, this.phone.registrar);
  }

  cancel() {
    this.state = 'cancelled';
    const kept = ['via', 'max-forwards', 'from', 'to', 'call-id'].map((name) => [name, this.invitation.get(name)]);
    const cancel = new Message(`CANCEL ${this.requestUri} SIP/2.0`, [...kept, ['CSeq', `${this.cseq} CANCEL`]]);
    this.phone.transport.request(cancel, this.phone.registrar, () => {});
  }
}

