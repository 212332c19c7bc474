// One call: the dialog, offers and answers in it, and how it ends.

import { ALLOW } from './agent.js';
import { random, uriOf, userOf } from './message.js';

const T1 = 500;
const T2 = 4000;
/** 64*T1: how long we wait for an ACK. */
const ACK_TIME = 32_000;

/**
 * `state` is calling, ringing (it rings there), incoming (it rings here), connecting,
 * active or ended; then `problem` says why, empty for an ordinary end.
 * `changed()` is called after each change.
 */
export class Call {
  state = 'calling';
  problem = '';
  earlyMedia = false;
  /** When the 200 came or left, by performance.now(). */
  answeredAt;
  media;

  #agent;
  #changed;
  #local;
  #remote;
  #target;
  #route = [];
  #localTag = random(10);
  #remoteTag;
  #seq = Math.floor(Math.random() * 1000);
  #invite;
  #busy = false;
  #unacknowledged;
  /** For a call to us: its 200 has left. */
  #confirmedHere = false;

  constructor(agent, changed) {
    this.#agent = agent;
    this.#changed = changed;
    agent.calls.add(this);
  }

  /** A call to a number or a SIP URI. */
  static place(agent, changed, number, media) {
    const call = new Call(agent, changed);
    call.outgoing = true;
    call.peer = number;
    call.media = media;
    call.callId = random(22);
    call.#target = /^sips?:/i.test(number) ? number : `sip:${encodeURIComponent(number)}@${agent.domain}`;
    call.#local = `<${agent.address}>;tag=${call.#localTag}`;
    call.#remote = `<${call.#target}>`;
    call.#dial();
    return call;
  }

  /** A call to us; it rings until `accept` or `hangUp`. */
  static incoming(agent, changed, invite) {
    const call = new Call(agent, changed);
    call.outgoing = false;
    call.state = 'incoming';
    call.#invite = invite;
    call.callId = invite.get('call-id');
    call.peer = userOf(uriOf(invite.get('from')));
    call.#remote = invite.get('from');
    call.#remoteTag = invite.fromTag;
    call.#local = `${invite.get('to')};tag=${call.#localTag}`;
    call.#target = uriOf(invite.all('contact')[0]);
    call.#route = invite.all('record-route');
    agent.respond(invite, 180, 'Ringing', call.#answered());
    return call;
  }

  get isUp() {
    return this.state === 'connecting' || this.state === 'active';
  }

  get isOver() {
    return this.state === 'ended';
  }

  /** We asked to hold or to go on, and the other side has not answered yet. */
  get isAsking() {
    return this.#busy;
  }

  // --- what the user does -----------------------------------------------------------------

  async accept(media) {
    if (this.state !== 'incoming') return media.close();
    this.media = media;
    this.#become('connecting');
    await this.#answerOffer(this.#invite);
  }

  /** Ends the call in whatever state it is; one that still rings here is declined. */
  hangUp() {
    if (this.isOver) return;
    if (!this.outgoing && !this.#confirmedHere) return this.#refuse(603, 'Decline');
    if (this.isUp) this.#bye();
    else this.#invite?.cancel?.();
    this.#end('');
  }

  /** Holds the call, or goes on with it. */
  async hold(hold) {
    if (!this.isUp || this.#busy || this.media.onHold === hold) return;
    this.#busy = true;
    const before = this.media.onHold;
    this.media.onHold = hold;
    this.#changed();
    try {
      if (!(await this.#reinvite())) {
        this.media.onHold = before;
        await this.media.rollback();
      }
    } finally {
      this.#busy = false;
      this.#changed();
    }
  }

  /** Sends one of 0-9 * # A-D: as RFC 4733 event, or by INFO when the other side knows none. */
  digit(digit) {
    if (!this.isUp || this.media.digit(digit)) return;
    this.#inDialog('INFO', { body: `Signal=${digit}\r\nDuration=100\r\n`, type: 'application/dtmf-relay' });
  }

  // --- calls of ours ----------------------------------------------------------------------

  async #dial() {
    let offer;
    try {
      offer = await this.media.offer();
    } catch (error) {
      return this.#end(`The browser makes no offer (${error.message}).`);
    }
    if (this.isOver) return;
    this.#invite = this.#request('INVITE', {
      headers: this.#contact,
      body: offer,
      provisional: (response) => this.#provisional(response),
      repeated: (response) => this.#repeated(response),
    });
    const response = await this.#agent.request(this.#invite);
    this.answeredAt = performance.now();
    if (response.status >= 300) return this.#end(this.#refusal(response));
    this.#join(response);
    this.#acknowledge();
    if (this.isOver) return this.#bye(); // The 200 and our CANCEL met on the way.
    this.#become('connecting');
    await this.#take(response);
  }

  #provisional(response) {
    if (this.isOver || response.status === 100) return;
    if (response.hasSdp) {
      this.earlyMedia = true;
      // A failure is no matter here: the 200 brings the answer again.
      this.media.accept(response.body, 'pranswer').catch(() => {});
    }
    if (response.status !== 183 || this.state === 'calling') this.#become('ringing');
  }

  /** A 2xx once more: ours again, or that of a second fork, which has to go. */
  #repeated(response) {
    if (response.status >= 300) return;
    if (response.toTag === this.#remoteTag) return this.#acknowledge();
    const fork = new Call(this.#agent, () => {});
    Object.assign(fork, { callId: this.callId, outgoing: true });
    fork.#localTag = this.#localTag;
    fork.#local = this.#local;
    fork.#seq = this.#invite.seq;
    fork.#invite = { ...this.#invite };
    fork.#join(response);
    fork.#acknowledge();
    fork.#bye();
    fork.#end('');
  }

  /** Takes the dialog's other half from a 2xx. */
  #join(response) {
    this.#remote = response.get('to');
    this.#remoteTag = response.toTag;
    this.#target = uriOf(response.all('contact')[0]) || this.#target;
    this.#route = response.all('record-route').reverse();
  }

  #acknowledge(invite = this.#invite) {
    const { seq, credentials } = invite;
    this.#agent.acknowledge({ ...this.#request('ACK'), seq, credentials });
  }

  async #take(response) {
    try {
      await this.media.accept(response.body, 'answer');
      if (!this.isOver) this.#become('active');
    } catch (error) {
      this.#bye();
      this.#end(`The browser does not take the answer (${error.message}).`);
    }
  }

  /** Offers anew within the call; says whether that was taken. */
  async #reinvite() {
    for (;;) {
      const invite = this.#request('INVITE', { headers: this.#contact, body: await this.media.offer() });
      invite.repeated = (again) => again.status < 300 && this.#acknowledge(invite);
      const response = await this.#agent.request(invite);
      if (this.isOver) return false;
      if (response.status < 300) {
        this.#target = uriOf(response.all('contact')[0]) || this.#target;
        this.#acknowledge(invite);
        await this.#take(response);
        return true;
      }
      if (response.status === 408 || response.status === 481) this.#end('The other side is gone.');
      if (response.status !== 491 || this.isOver) return false;
      // Both offered at once: wait as RFC 3261 14.1 says, and let theirs pass first.
      await this.media.rollback();
      this.#busy = false;
      const wait = this.outgoing ? 2100 + Math.random() * 1900 : Math.random() * 2000;
      await new Promise((done) => setTimeout(done, wait));
      if (this.isOver) return false;
      this.#busy = true;
    }
  }

  // --- requests of theirs -----------------------------------------------------------------

  owns(request) {
    if (request.get('call-id') !== this.callId) return false;
    if (request.method === 'CANCEL') return !this.outgoing && request.branch === this.#invite.branch;
    if (!request.toTag) return !this.outgoing && request.method === 'INVITE' && request.fromTag === this.#remoteTag;
    return request.toTag === this.#localTag && (!this.#remoteTag || request.fromTag === this.#remoteTag);
  }

  requested(request) {
    const answer = (status, reason, extra) => this.#agent.respond(request, status, reason, extra);
    switch (request.method) {
      case 'ACK':
        return this.#acknowledged(request);
      case 'CANCEL':
        answer(200, 'OK', { tag: this.#localTag });
        if (!this.#confirmedHere) this.#refuse(487, 'Request Terminated', `You missed a call from ${this.peer}.`);
        return undefined;
      case 'BYE':
        answer(200, 'OK');
        if (!this.outgoing && !this.#confirmedHere) this.#refuse(487, 'Request Terminated');
        return this.#end('');
      case 'INVITE':
      case 'UPDATE':
        if (!request.toTag) return answer(482, 'Loop Detected', { tag: random(10) });
        return this.#offered(request, answer);
      case 'INFO':
      case 'OPTIONS':
        return answer(200, 'OK', { headers: [['Allow', ALLOW]] });
      default:
        return answer(405, 'Method Not Allowed', { headers: [['Allow', ALLOW]] });
    }
  }

  /** An offer within the call (or a refresh without one). */
  async #offered(request, answer) {
    if (this.#busy) return answer(491, 'Request Pending');
    if (this.#unacknowledged || !this.isUp) return answer(500, 'Server Internal Error', { headers: [['Retry-After', 2]] });
    this.#target = uriOf(request.all('contact')[0]) || this.#target;
    if (request.method === 'UPDATE' && !request.hasSdp) return answer(200, 'OK', { headers: this.#contact });
    await this.#answerOffer(request);
    return this.#changed();
  }

  /** 200 with our answer, or with our offer when the request had none. */
  async #answerOffer(request) {
    let body;
    try {
      body = request.hasSdp ? await this.media.answer(request.body) : await this.media.offer();
    } catch (error) {
      if (this.isOver) return;
      this.#agent.respond(request, 488, 'Not Acceptable Here', { tag: this.#localTag });
      const problem = `The browser does not take the offer (${error.message}).`;
      if (request === this.#invite) this.#end(problem);
      else console.warn(problem);
      return;
    }
    if (this.isOver) return; // Cancelled meanwhile.
    if (request === this.#invite) {
      this.#confirmedHere = true;
      this.answeredAt = performance.now();
    }
    const send = () => this.#agent.respond(request, 200, 'OK', { ...this.#answered(), body });
    send();
    if (request.method === 'INVITE') this.#awaitAck(request, send);
    if (request.hasSdp) this.#become('active');
  }

  /** The 200 is repeated until its ACK comes, over TCP too (RFC 3261 13.3.1.4). */
  #awaitAck(request, send) {
    const until = performance.now() + ACK_TIME;
    const wait = { seq: request.cseq.number, offered: !request.hasSdp };
    const again = (delay) => {
      wait.timer = setTimeout(() => {
        if (this.isOver) return;
        if (performance.now() > until) {
          this.#bye();
          return this.#end('The other side never confirmed the call.');
        }
        send();
        again(Math.min(delay * 2, T2));
      }, delay);
    };
    again(T1);
    this.#unacknowledged = wait;
  }

  async #acknowledged(ack) {
    const wait = this.#unacknowledged;
    if (!wait || ack.cseq.number !== wait.seq) return;
    clearTimeout(wait.timer);
    this.#unacknowledged = undefined;
    if (wait.offered && !this.isOver) await this.#take(ack);
  }

  #refuse(status, reason, problem = '') {
    this.#agent.respond(this.#invite, status, reason, { tag: this.#localTag });
    this.#end(problem);
  }

  // --- what both have ---------------------------------------------------------------------

  get #contact() {
    return [['Contact', `<${this.#agent.contact}>`], ['Allow', ALLOW]];
  }

  #answered() {
    return { tag: this.#localTag, headers: this.#contact };
  }

  #request(method, extra = {}) {
    return {
      method,
      uri: this.#target,
      from: this.#local,
      to: this.#remote,
      callId: this.callId,
      route: this.#route,
      nextSeq: () => ++this.#seq,
      ...extra,
    };
  }

  async #inDialog(method, extra) {
    const response = await this.#agent.request(this.#request(method, extra));
    const gone = response.status === 481 || response.status === 408;
    if (gone && method !== 'BYE') this.#end('The other side is gone.');
    return response;
  }

  #bye() {
    this.#inDialog('BYE', {});
  }

  #become(state) {
    this.state = state;
    this.#changed();
  }

  #end(problem) {
    if (this.isOver) return;
    clearTimeout(this.#unacknowledged?.timer);
    this.problem = problem;
    this.media?.close();
    // Late messages of this call still find it for a while.
    setTimeout(() => this.#agent.calls.delete(this), ACK_TIME);
    this.#become('ended');
  }

  #refusal({ status, reason }) {
    const peer = this.peer;
    switch (status) {
      case 401: case 407: return 'The server refuses the call: check the name and the password.';
      case 403: return `The server does not allow calls to ${peer}.`;
      case 404: case 484: case 604: return `The number ${peer} does not exist.`;
      case 408: return `${peer} does not answer.`;
      case 480: return `${peer} cannot be reached now; is it registered?`;
      case 486: case 600: return `${peer} is busy.`;
      case 487: return '';
      case 488: case 606: return `${peer} and this browser have no codec in common.`;
      case 603: return `${peer} declined the call.`;
      default: return `The call failed: ${status} ${reason}.`;
    }
  }
}
