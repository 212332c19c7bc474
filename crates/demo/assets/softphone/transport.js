// The WebSocket (RFC 7118): opens, keeps alive, opens again. It knows no SIP.

const KEEP_ALIVE = 25_000;
const FIRST_RETRY = 500;
const LONGEST_RETRY = 15_000;

export class Transport {
  #socket;
  #retry = FIRST_RETRY;
  #timer;
  #wanted = false;

  /** `on` has `open()`, `message(text)` and `closed(everOpened)`. */
  constructor(url, on) {
    this.url = url;
    this.on = on;
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  open() {
    this.#wanted = true;
    clearTimeout(this.#timer);
    if (this.#socket && this.#socket.readyState <= WebSocket.OPEN) return;
    const socket = new WebSocket(this.url, 'sip');
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    let alive;
    let opened = false;
    socket.onopen = () => {
      opened = true;
      this.#retry = FIRST_RETRY;
      alive = setInterval(() => socket.send('\r\n\r\n'), KEEP_ALIVE);
      this.on.open();
    };
    socket.onmessage = ({ data }) => {
      const text = typeof data === 'string' ? data : new TextDecoder().decode(data);
      if (text.trim() === '') {
        // A ping of the server (RFC 5626 3.5.1); what we get for our own is one CRLF.
        if (text === '\r\n\r\n') socket.send('\r\n');
      } else {
        this.on.message(text);
      }
    };
    socket.onclose = () => {
      clearInterval(alive);
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      this.on.closed(opened);
      if (this.#wanted) this.#timer = setTimeout(() => this.open(), this.#nextRetry());
    };
  }

  close() {
    this.#wanted = false;
    clearTimeout(this.#timer);
    this.#socket?.close();
  }

  /** Says whether it could be sent. */
  send(text) {
    if (!this.isOpen) return false;
    this.#socket.send(text);
    return true;
  }

  #nextRetry() {
    const wait = this.#retry * (0.5 + Math.random());
    this.#retry = Math.min(this.#retry * 2, LONGEST_RETRY);
    return wait;
  }
}
