// Watches the page's WebSockets from below the SIP library: what was sent and received, and when.

export const wire = [];
export const sockets = [];

/** Milliseconds of the wall clock, finer than Date.now(): comparable with other processes. */
export const now = () => performance.timeOrigin + performance.now();

function note(direction, data) {
  if (typeof data !== 'string' || data.trim() === '') return;
  const method = /^(\S+) /.exec(data)?.[1];
  const callId = /^(?:call-id|i)\s*:\s*(\S+)/im.exec(data)?.[1];
  wire.push({ at: now(), direction, method, callId, data });
  if (wire.length > 2000) wire.splice(0, 1000);
}

/** When the first INVITE of this call crossed the socket. */
export const invitedAt = (callId) => wire.find((m) => m.method === 'INVITE' && m.callId === callId)?.at;

/** When the 200 to its INVITE crossed it. */
export const answeredAt = (callId) => wire.find((m) => m.callId === callId && /^SIP\/2.0 200 /.test(m.data) && /^cseq\s*:\s*\d+ INVITE/im.test(m.data))?.at;

const Native = window.WebSocket;

window.WebSocket = class extends Native {
  constructor(url, protocols) {
    super(url, protocols);
    sockets.push(this);
    this.addEventListener('message', (event) => note('in', event.data));
  }

  send(data) {
    note('out', data);
    super.send(data);
  }
};
