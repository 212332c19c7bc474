// The page: shows the softphone and passes clicks to it. It decides nothing.

import { unlock } from './sound.js';

const $ = (id) => document.getElementById(id);
const KEYS = [...'123456789*0#'];

const WORDS = {
  calling: 'calling',
  ringing: 'it rings',
  incoming: 'incoming call from',
  connecting: 'connecting',
  active: 'in a call with',
};

export class View {
  #phone;
  #since;
  #traced = 0;
  #last;
  /** The account may be changed: it is not in use, or was refused. */
  #editable = true;

  constructor(softphone) {
    this.#phone = softphone;
    this.#listen();
    requestAnimationFrame(() => this.#levels());
  }

  /** Fills the forms, and offers the demo's users and numbers to click on. */
  fill({ user = '', password = '', domain = '', users = [], numbers = [] }) {
    Object.assign($('user'), { value: user });
    Object.assign($('password'), { value: password });
    Object.assign($('domain'), { value: domain });
    chips('users', users, (it) => it.user, (it) => {
      $('user').value = it.user;
      $('password').value = it.password;
    });
    chips('numbers', numbers, (it) => (it.what ? `${it.number}: ${it.what}` : it.number), (it) => {
      $('number').value = it.number;
    });
    if (numbers.length) $('number').value = numbers[0].number;
  }

  get account() {
    return { user: $('user').value.trim(), password: $('password').value, domain: $('domain').value.trim() };
  }

  /** Shows the softphone as it is now. */
  show() {
    this.#showAccount();
    this.#showCall();
    this.#showPath();
    this.#showFigures();
    this.#showTrace();
    const problem = this.#phone.problem || this.#phone.registerProblem;
    $('problem').textContent = problem;
    $('problem').hidden = problem === '';
  }

  #listen() {
    const phone = this.#phone;
    document.addEventListener('click', unlock);
    on('account', 'submit', () => (this.#editable ? phone.register(this.account) : phone.unregister()));
    on('dial', 'submit', () => phone.call($('number').value.trim()));
    on('tone', 'change', () => { phone.testTone = $('tone').checked; });
    on('accept', 'click', () => phone.accept());
    on('hangup', 'click', () => phone.hangUp());
    on('hold', 'click', () => phone.hold());
    on('clear', 'click', () => { phone.trace.length = 0; this.show(); });
    for (const key of KEYS) $('keys').append(button(key, () => phone.digit(key)));
    document.addEventListener('keydown', ({ key, target }) => {
      if (KEYS.includes(key) && !(target instanceof HTMLInputElement)) phone.digit(key);
    });
  }

  #showAccount() {
    const { agent, connected, registered, registerProblem } = this.#phone;
    const state = !agent ? 'offline' : registered ? 'registered' : registerProblem ? 'refused' : 'connecting';
    $('status').dataset.state = state;
    $('status').textContent = {
      offline: 'offline',
      registered: `${agent?.user}@${agent?.domain}`,
      refused: connected ? 'not registered' : 'no connection',
      connecting: 'registering',
    }[state];
    this.#editable = !agent || (state === 'refused' && connected);
    $('register').textContent = this.#editable ? 'Register' : 'Sign off';
    for (const id of ['user', 'password', 'domain']) $(id).disabled = !this.#editable;
    $('users').hidden = !this.#editable;
    $('call').disabled = !registered;
  }

  #showCall() {
    const { current, callState, held, heldByThem } = this.#phone;
    const inCall = callState !== 'idle';
    $('dial').hidden = inCall;
    $('incall').hidden = !inCall;
    if (!inCall) return void (this.#since = undefined);
    if (callState === 'active') this.#since ??= Date.now();
    const words = held ? 'you hold' : heldByThem ? 'holds you' : WORDS[callState];
    $('callstate').textContent = words;
    $('peer').textContent = current.peer;
    $('accept').hidden = callState !== 'incoming';
    $('hold').hidden = callState !== 'active';
    $('hold').disabled = current.isAsking ?? false;
    $('hold').textContent = held ? 'Go on' : 'Hold';
    $('hangup').textContent = callState === 'incoming' ? 'Decline' : 'Hang up';
    $('keys').hidden = callState !== 'active';
    const remote = current.media?.remote;
    if (remote && $('speaker').srcObject !== remote) {
      $('speaker').srcObject = remote;
      $('speaker').play().catch(() => {});
    }
  }

  #showPath() {
    const { connected, agent, callState, stats } = this.#phone;
    const idle = callState === 'idle';
    $('which').textContent = idle && stats.ice ? 'The last call' : 'The call, live';
    step('signalling', connected ? 'done' : agent ? 'busy' : '');
    step('ice', idle ? '' : { connected: 'done', completed: 'done', failed: 'failed', checking: 'busy' }[stats.ice]);
    step('dtls', idle ? '' : { connected: 'done', failed: 'failed', connecting: 'busy' }[stats.dtls]);
    step('audio', !idle && stats.received > 0 && stats.sent > 0 ? 'done' : '');
  }

  /** The last call's figures stay until the next one. */
  #showFigures() {
    const { stats, firstAudio } = this.#phone;
    const rows = {
      ICE: stats.ice,
      DTLS: stats.dtls,
      Codec: stats.codec && `${stats.codec} ${stats.clock / 1000} kHz`,
      Encryption: stats.cipher?.replaceAll('_', ' '),
      Relay: stats.relay,
      'Packets sent': stats.sent,
      'Packets received': stats.received,
      'Lost to us': stats.loss === undefined ? undefined : `${stats.lost} (${stats.loss.toFixed(1)} %)`,
      'Lost to them': stats.lossThere === undefined ? undefined : `${stats.lossThere.toFixed(1)} %`,
      'Round trip': milliseconds(stats.roundTrip),
      Jitter: milliseconds(stats.jitter),
      'Answer to first audio': firstAudio < 0 ? 'early media' : milliseconds(firstAudio),
    };
    const shown = JSON.stringify(rows);
    if (shown === this.#last) return;
    this.#last = shown;
    $('figures').replaceChildren(...Object.entries(rows).map(([name, value]) => {
      const row = document.createElement('div');
      row.append(element('dt', name), element('dd', value ?? '–'));
      return row;
    }));
  }

  #showTrace() {
    const { trace } = this.#phone;
    if (trace.length === 0) $('trace').replaceChildren();
    const fresh = trace.filter(({ number }) => number > this.#traced);
    this.#traced = trace.at(-1)?.number ?? this.#traced;
    for (const { time, way, line, text } of fresh) {
      const entry = document.createElement('details');
      const summary = document.createElement('summary');
      summary.append(element('span', time.toISOString().slice(11, 23)), way === 'out' ? '→' : '←', ` ${line}`);
      entry.append(summary, element('pre', text));
      $('trace').prepend(entry);
    }
    while ($('trace').childElementCount > 200) $('trace').lastElementChild.remove();
  }

  #levels() {
    const { sent, received } = this.#phone.levels;
    $('sent').value = sent;
    $('received').value = received;
    const seconds = this.#since ? Math.floor((Date.now() - this.#since) / 1000) : undefined;
    const clock = seconds === undefined ? '\u00a0' : `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
    if ($('clock').textContent !== clock) $('clock').textContent = clock;
    requestAnimationFrame(() => this.#levels());
  }
}

function on(id, event, action) {
  $(id).addEventListener(event, (it) => {
    if (event === 'submit') it.preventDefault();
    action();
  });
}

function element(name, text) {
  const it = document.createElement(name);
  it.textContent = text;
  return it;
}

function button(text, action) {
  const it = element('button', text);
  it.type = 'button';
  it.addEventListener('click', action);
  return it;
}

function chips(id, items, name, action) {
  $(id).replaceChildren(...items.map((item) => button(name(item), () => action(item))));
}

function step(name, state = '') {
  $(`step-${name}`).dataset.state = state;
}

const milliseconds = (value) => (value === undefined ? undefined : `${value.toFixed(value < 10 ? 1 : 0)} ms`);
