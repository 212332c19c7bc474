// The phone's UDP socket and its transactions (RFC 3261 17): requests are repeated until
// answered, answers are repeated when asked again.
import dgram from 'node:dgram';
import { randomBytes } from 'node:crypto';
import { Message } from './message.mjs';

const T1_MS = 500;
const GIVE_UP_MS = 32000;

export const branch = () => `z9hG4bK${randomBytes(8).toString('hex')}`;

export class Transport {
  static async open(address, port, onRequest) {
    const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 4 << 20 });
    await new Promise((resolve, reject) => socket.once('error', reject).bind(port, address, resolve));
    return new Transport(socket, address, onRequest);
  }

  constructor(socket, address, onRequest) {
    this.socket = socket;
    this.address = address;
    this.port = socket.address().port;
    this.onRequest = onRequest;
    this.clients = new Map();
    this.servers = new Map();
    this.log = [];
    socket.on('message', (bytes, { address: host, port: sender }) => this.receive(bytes, { host, port: sender }));
  }

  via(id = branch()) {
    return ['Via', `SIP/2.0/UDP ${this.address}:${this.port};rport;branch=${id}`];
  }

  write(message, to) {
    const text = message.toString();
    this.note('out', text);
    this.socket.send(text, to.port, to.host);
  }

  note(direction, text) {
    this.log.push(`${new Date().toISOString()} ${direction}\n${text}`);
    if (this.log.length > 400) this.log.shift();
  }

  /** Sends a request and tells of each response; a request that nobody answers gets a 408 of our own. */
  request(message, to, onResponse) {
    const key = `${message.branch} ${message.cseq.method}`;
    const transaction = { onResponse, interval: T1_MS, provisional: false };
    const repeat = () => {
      this.write(message, to);
      transaction.interval = Math.min(transaction.interval * 2, 4000);
      transaction.timer = setTimeout(repeat, transaction.interval);
    };
    transaction.end = () => {
      clearTimeout(transaction.timer);
      clearTimeout(transaction.deadline);
    };
    transaction.deadline = setTimeout(() => {
      transaction.end();
      if (!transaction.provisional) onResponse(message.respond(408, 'Request Timeout'));
    }, GIVE_UP_MS);
    transaction.deadline.unref();
    this.clients.set(key, transaction);
    this.write(message, to);
    transaction.timer = setTimeout(repeat, T1_MS);
  }

  receive(bytes, from) {
    this.note('in', bytes.toString('utf8'));
    const message = Message.parse(bytes);
    if (!message) return;
    if (message.status) return this.receiveResponse(message);
    const key = `${message.branch} ${message.method}`;
    const server = this.servers.get(key);
    if (server && message.method !== 'ACK') return void (server.last && this.write(server.last, from));
    if (message.method !== 'ACK') this.servers.set(key, {});
    this.onRequest(message, from);
  }

  receiveResponse(response) {
    const transaction = this.clients.get(`${response.branch} ${response.cseq.method}`);
    if (!transaction) return;
    if (response.status < 200) {
      transaction.provisional = true;
      clearTimeout(transaction.timer);
    } else {
      transaction.end();
    }
    transaction.onResponse(response);
  }

  /** Answers a request; a 2xx to INVITE is repeated by `repeat2xx` until its ACK (RFC 3261 13.3.1.4). */
  answer(request, response, from) {
    const key = `${request.branch} ${request.method}`;
    const server = this.servers.get(key) ?? {};
    server.last = response;
    this.servers.set(key, server);
    this.write(response, from);
  }

  close() {
    for (const transaction of this.clients.values()) transaction.end();
    this.socket.close();
  }
}
