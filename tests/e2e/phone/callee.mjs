// The called side: rings, sends early media, answers, refuses, is cancelled.
import { Call, SDP, newTag } from './call.mjs';
import { tagOf, uriOf } from './message.mjs';

const T1_MS = 500;
const T2_MS = 4000;

export class IncomingCall extends Call {
  constructor(phone, media, request, from) {
    super(phone, media, { callId: request.get('call-id'), localTag: newTag() });
    Object.assign(this, { request0: request, from });
    this.remoteTag = tagOf(request.get('from'));
    this.remoteParty = request.get('from');
    this.localParty = `${request.get('to')};tag=${this.localTag}`;
    this.target = uriOf(request.get('contact'));
    this.routes = request.values('record-route');
    this.cseq = 100;
    this.invitedAt = Date.now();
  }

  reply(status, reason, body = '') {
    const headers = [['Contact', this.phone.contact], ['Allow', 'INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE'], ...(body ? SDP : [])];
    const response = this.request0.respond(status, reason, { tag: this.localTag, headers, body });
    this.phone.transport.answer(this.request0, response, this.from);
    return response;
  }

  /** Does what the phone was told to do with calls. */
  arrive({ mode = 'answer', status = 486 }) {
    this.state = 'ringing';
    this.hasOffer = Boolean(this.request0.body);
    if (this.hasOffer && !this.accept(this.request0.body)) return this.refuse(488);
    this.emit('incoming', { from: this.request0.get('from'), target: this.request0.uri, tone: this.media.tone });
    if (mode === 'reject') return this.refuse(status);
    if (mode === 'early') return this.early();
    if (mode === 'ring') return void this.reply(180, 'Ringing');
    this.answer();
  }

  refuse(status) {
    this.reply(status, { 486: 'Busy Here', 488: 'Not Acceptable Here', 603: 'Decline' }[status] ?? 'Refused');
    this.end({ by: 'local', status });
  }

  /** 183 with SDP, and the phone's tone before the answer. */
  early() {
    this.body = this.localSdp();
    this.flow('sendrecv');
    this.reply(183, 'Session Progress', this.body);
  }

  answer() {
    this.body ??= this.localSdp();
    this.awaitsAnswer = !this.hasOffer;
    if (this.hasOffer) this.flow(this.remote.direction === 'sendrecv' ? 'sendrecv' : this.direction);
    this.state = 'answered';
    this.repeat(this.reply(200, 'OK', this.body), T1_MS);
    this.emit('answered');
  }

  repeat(response, wait) {
    this.repeating = setTimeout(() => {
      this.phone.transport.write(response, this.from);
      this.repeat(response, Math.min(wait * 2, T2_MS));
    }, wait);
  }

  receiveCancel(request, from) {
    this.phone.transport.answer(request, request.respond(200, 'OK', { tag: this.localTag }), from);
    if (this.state !== 'ringing') return;
    this.reply(487, 'Request Terminated');
    this.end({ by: 'remote', status: 487, cancelled: true });
  }
}
