// The scripted softphone over sip.js, by its UserAgent API.
import { Inviter, Registerer, SessionState, UserAgent, Web } from 'sip.js';
import { Ear, toneStream } from './sound.js';

class SipJsCall {
  constructor(session, tell, ice) {
    Object.assign(this, { session, tell, ice });
    session.delegate = {
      onSessionDescriptionHandler: (handler) => (this.ear ??= new Ear(handler.peerConnection)),
      onInfo: (info) => {
        tell('info', { type: info.request.getHeader('Content-Type'), body: info.request.body });
        info.accept();
      },
      onInvite: () => tell('reinvite', {}),
      onBye: (bye) => {
        bye.accept();
        tell('bye', {});
      },
      onCancel: () => tell('cancelled', {}),
    };
    session.stateChange.addListener((state) => {
      if (state === SessionState.Established) tell('confirmed', {});
      if (state === SessionState.Terminated) tell('ended', {});
    });
  }

  get callId() {
    return this.session.request.callId;
  }

  async invite() {
    await this.session.invite({
      requestDelegate: {
        onProgress: (response) => this.tell('ringing', { status: response.message.statusCode }),
        onReject: (response) => this.tell('refused', { status: response.message.statusCode }),
      },
    });
  }

  answer() {
    return this.session.accept();
  }

  reject(status) {
    return this.session.reject({ statusCode: status });
  }

  cancel() {
    return this.session.cancel();
  }

  bye() {
    return this.session.bye();
  }

  /** New ICE credentials, and nothing else. */
  restart() {
    return this.reinvite(false, { offerOptions: { iceRestart: true } });
  }

  reinvite(hold, more = {}) {
    this.session.sessionDescriptionHandlerOptionsReInvite = { hold, ...more };
    return new Promise((resolve, reject) =>
      this.session.invite({
        requestDelegate: {
          onAccept: () => resolve('accepted'),
          onReject: (response) => reject(new Error(`re-INVITE was answered ${response.message.statusCode}`)),
        },
      }).catch(reject),
    );
  }

  hold() {
    return this.reinvite(true);
  }

  resume() {
    return this.reinvite(false);
  }

  digits(digits) {
    if (!this.session.sessionDescriptionHandler.sendDtmf(digits, { duration: 100, interToneGap: 60 })) throw new Error('sendDtmf refused');
  }

  info(digit) {
    const body = { contentDisposition: 'render', contentType: 'application/dtmf-relay', content: `Signal=${digit}\r\nDuration=100` };
    return new Promise((resolve, reject) =>
      this.session.info({
        requestOptions: { body },
        requestDelegate: { onAccept: () => resolve(200), onReject: (r) => reject(new Error(`INFO was answered ${r.message.statusCode}`)) },
      }).catch(reject),
    );
  }
}

export class SipJsPhone {
  constructor(options, { onCall, onEvent }) {
    Object.assign(this, { options, onCall, onEvent });
    this.agent = new UserAgent({
      uri: UserAgent.makeURI(`sip:${options.user}@${options.domain}`),
      ...(!options.token && { authorizationUsername: options.user, authorizationPassword: options.password }),
      transportOptions: { server: options.url, keepAliveInterval: 0 },
      contactParams: { transport: options.contactTransport ?? 'ws' },
      sessionDescriptionHandlerFactory: Web.defaultSessionDescriptionHandlerFactory(async () => toneStream(options.tone)),
      sessionDescriptionHandlerFactoryOptions: { peerConnectionConfiguration: { ...Web.defaultPeerConnectionConfiguration(), iceServers: [] } },
      logLevel: options.logLevel ?? 'error',
      delegate: {
        onInvite: (invitation) => onCall((tell) => new SipJsCall(invitation, tell)),
        onDisconnect: (error) => onEvent('disconnected', { error: error && String(error) }),
      },
    });
    this.bearing = options.token ? [`Authorization: Bearer ${options.token}`] : [];
    this.registerer = new Registerer(this.agent, { expires: 600, extraHeaders: this.bearing });
  }

  start() {
    return this.agent.start();
  }

  register() {
    return new Promise((resolve, reject) =>
      this.registerer.register({
        requestDelegate: {
          onAccept: () => resolve(200),
          onReject: (response) => reject(new Error(`REGISTER was answered ${response.message.statusCode}`)),
        },
      }).catch(reject),
    );
  }

  /** After its socket was lost: a new one, and the registration renewed over it. */
  async reconnect() {
    await this.agent.reconnect();
    await this.register();
  }

  call(target, { early = false } = {}) {
    const inviter = new Inviter(this.agent, UserAgent.makeURI(target), { earlyMedia: early, extraHeaders: this.bearing });
    return this.onCall((tell) => new SipJsCall(inviter, tell), true);
  }

  async stop() {
    await this.agent.stop();
  }
}
