// The scripted softphone over JsSIP.
import JsSIP from 'jssip';
import { Ear, toneStream, withPicture } from './sound.js';

const PC = { iceServers: [] };

class JsSipCall {
  constructor(options, tell) {
    this.options = options;
    this.tell = tell;
  }

  /** `session` exists from the start for incoming calls, and from `invite` on for outgoing ones. */
  attach(session) {
    this.session = session;
    if (session.connection) this.ear ??= new Ear(session.connection);
    const { tell } = this;
    session.on('peerconnection', ({ peerconnection }) => (this.ear ??= new Ear(peerconnection)));
    session.on('progress', ({ originator, response }) => originator === 'remote' && tell('ringing', { status: response.status_code }));
    session.on('confirmed', () => tell('confirmed', {}));
    session.on('failed', ({ message, cause, originator }) => {
      if (originator === 'remote' && cause === JsSIP.C.causes.CANCELED) tell('cancelled', {});
      if (message?.status_code) tell('refused', { status: message.status_code });
      tell('ended', { cause });
    });
    session.on('ended', ({ originator, cause }) => {
      if (originator === 'remote') tell('bye', {});
      tell('ended', { cause });
    });
    session.on('reinvite', () => tell('reinvite', {}));
    session.on('newInfo', ({ originator, request }) => originator === 'remote' && tell('info', { type: request.getHeader('Content-Type'), body: request.body }));
    session.on('newDTMF', ({ originator, request }) => originator === 'remote' && tell('info', { type: request.getHeader('Content-Type'), body: request.body }));
  }

  get callId() {
    return this.session._request?.call_id ?? this.request?.call_id;
  }

  get media() {
    const sound = toneStream(this.options.tone);
    return { mediaStream: this.options.video ? withPicture(sound) : sound, pcConfig: PC };
  }

  async answer() {
    this.session.answer(this.media);
  }

  async reject(status) {
    this.session.terminate({ status_code: status });
  }

  async cancel() {
    this.session.terminate();
  }

  async bye() {
    this.session.terminate();
  }

  hold() {
    return this.changed('hold');
  }

  resume() {
    return this.changed('unhold');
  }

  /** New ICE credentials, and nothing else. */
  restart() {
    return new Promise((resolve, reject) => {
      if (!this.session.renegotiate({ rtcOfferConstraints: { iceRestart: true } }, () => resolve('accepted'))) reject(new Error('refused by JsSIP'));
    });
  }

  changed(method) {
    return new Promise((resolve, reject) => {
      if (!this.session[method]({}, () => resolve('accepted'))) reject(new Error(`${method} refused by JsSIP`));
    });
  }

  digits(digits) {
    this.session.sendDTMF(digits, { transportType: 'RFC2833', duration: 100, interToneGap: 60 });
  }

  info(digit) {
    return new Promise((resolve, reject) => {
      this.session.once('newDTMF', ({ dtmf }) => {
        dtmf.on('succeeded', () => resolve(200));
        dtmf.on('failed', ({ response }) => reject(new Error(`INFO was answered ${response?.status_code}`)));
      });
      this.session.sendDTMF(digit, { transportType: 'INFO' });
    });
  }
}

export class JsSipPhone {
  constructor(options, { onCall, onEvent }) {
    Object.assign(this, { options, onCall, onEvent });
    if (options.logLevel === 'debug') JsSIP.debug.enable('JsSIP:*');
    const socket = new JsSIP.WebSocketInterface(options.url);
    this.agent = new JsSIP.UA({
      sockets: [socket],
      uri: `sip:${options.user}@${options.domain}`,
      ...(options.token ? { authorization_jwt: `Bearer ${options.token}` } : { password: options.password }),
      register: false,
      connection_recovery_min_interval: 1,
      ...(options.contactTransport && { contact_uri: `sip:${options.user}@${crypto.randomUUID().slice(0, 8)}.invalid;transport=${options.contactTransport}` }),
    });
    this.agent.on('disconnected', () => onEvent('disconnected', {}));
    this.agent.on('newRTCSession', ({ originator, session, request }) => {
      if (originator !== 'remote') return;
      onCall((tell) => {
        const call = new JsSipCall(options, tell);
        call.request = request;
        call.attach(session);
        return call;
      });
    });
  }

  start() {
    return new Promise((resolve, reject) => {
      this.agent.once('connected', resolve);
      this.agent.once('disconnected', ({ error }) => error && reject(new Error('the WebSocket did not open')));
      this.agent.start();
    });
  }

  register() {
    return new Promise((resolve, reject) => {
      const once = (event, settle) => this.agent.once(event, settle);
      once('registered', () => resolve(200));
      once('registrationFailed', ({ response, cause }) => reject(new Error(`REGISTER was answered ${response?.status_code} ${cause}`)));
      this.agent.register();
    });
  }

  /** JsSIP comes back by itself; only the registration is ours to ask for. */
  async reconnect() {
    if (!this.agent.isConnected()) await new Promise((resolve) => this.agent.once('connected', resolve));
    await this.register();
  }

  call(target) {
    return this.onCall((tell) => {
      const call = new JsSipCall(this.options, tell);
      call.invite = async () => {
        const session = this.agent.call(target, { ...call.media, eventHandlers: { peerconnection: ({ peerconnection }) => (call.ear ??= new Ear(peerconnection)) } });
        call.attach(session);
      };
      return call;
    }, true);
  }

  async stop() {
    this.agent.stop();
  }
}
