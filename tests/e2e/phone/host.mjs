// The process that holds the phones, in the phones' network namespace. Driven over the IPC channel
// that Node opens between parent and child: {id, phone, method, args} in, results and events out.
import { Phone } from './phone.mjs';

const phones = new Map();
const CALL_METHODS = ['answer', 'refuse', 'cancel', 'bye', 'info', 'reinvite'];
const MEDIA_METHODS = ['hears', 'receives', 'reported', 'silent', 'dial'];

async function perform({ phone: name, method, args }) {
  if (method === 'open') {
    const phone = await Phone.open(args[0], (event, detail) => process.send({ phone: name, event, detail }));
    phones.set(name, phone);
    return phone.contact;
  }
  const phone = phones.get(name);
  if (!phone) throw new Error(`no phone ${name}`);
  if (method === 'close') return phones.delete(name), phone.close();
  if (method === 'behave') return (phone.behaviour = args[0]);
  if (method === 'log') return phone.transport.log;
  if (method === 'register' || method === 'call') return phone[method](...args);
  const [id, ...rest] = args;
  const call = phone.calls.get(id);
  if (!call) throw new Error(`no call ${id}`);
  if (method === 'figures') return { ...(call.figures ?? call.media.figures()), invitedAt: call.invitedAt, tone: call.media.tone, remote: call.remote };
  if (CALL_METHODS.includes(method)) return call[method](...rest);
  if (MEDIA_METHODS.includes(method)) return call.media[method](...rest);
  throw new Error(`no method ${method}`);
}

process.on('message', async (message) => {
  try {
    process.send({ id: message.id, result: await perform(message) });
  } catch (error) {
    process.send({ id: message.id, error: String(error?.stack ?? error) });
  }
});
process.on('disconnect', () => process.exit(0));
process.send({ ready: true });
