// Three network namespaces, browsers -- edge -- phones, without forwarding and without a way out:
// sound that crosses them went through the edge under test.
import { execFileSync } from 'node:child_process';

const ip = (...args) => execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] }).toString();

/** Addresses: the browsers' side is from RFC 5737, the phones' from RFC 1918. */
export const ADDRESSES = {
  browsers: '198.51.100.2',
  edgePublic: '198.51.100.1',
  edgePrivate: '10.71.0.1',
  phones: '10.71.0.2',
  phonesNetwork: '10.71.0.',
};

/** Names that no other run has. */
export const namesFor = (run) => ({ browsers: `cw${run}b`, edge: `cw${run}e`, phones: `cw${run}p` });

export function build(names) {
  const a = ADDRESSES;
  for (const name of Object.values(names)) {
    ip('netns', 'add', name);
    ip('-n', name, 'link', 'set', 'lo', 'up');
  }
  join([names.browsers, `${names.browsers}0`, a.browsers], [names.edge, `${names.edge}0`, a.edgePublic]);
  join([names.phones, `${names.phones}0`, a.phones], [names.edge, `${names.edge}1`, a.edgePrivate]);
  // Browsers name their addresses by the default route. It leads to the edge, which forwards nothing;
  // the phones' network is cut off even where the edge itself has an address in it.
  ip('-n', names.browsers, 'route', 'add', 'default', 'via', a.edgePublic);
  ip('-n', names.browsers, 'route', 'add', 'unreachable', `${a.phonesNetwork}0/24`);
  ip('netns', 'exec', names.edge, 'sh', '-c', 'echo 0 > /proc/sys/net/ipv4/ip_forward');
}

function join([nsA, linkA, addressA], [nsB, linkB, addressB]) {
  ip('-n', nsA, 'link', 'add', linkA, 'type', 'veth', 'peer', 'name', linkB, 'netns', nsB);
  for (const [ns, link, address] of [[nsA, linkA, addressA], [nsB, linkB, addressB]]) {
    ip('-n', ns, 'address', 'add', `${address}/24`, 'dev', link);
    ip('-n', ns, 'link', 'set', link, 'up');
  }
}

/** Removes the namespaces, and with them their links. Processes in them were ended by those who started them. */
export function remove(names) {
  for (const name of Object.values(names)) {
    try {
      ip('netns', 'delete', name);
    } catch (error) {
      if (!/No such file/.test(String(error.stderr))) console.error(`namespace ${name} stays: ${error.stderr}`);
    }
  }
}

/** True when nothing crosses from the browsers to the phones by itself: nobody forwards, and there is no route. */
export function isSeparated(names) {
  const forwards = ip('netns', 'exec', names.edge, 'cat', '/proc/sys/net/ipv4/ip_forward').trim();
  try {
    ip('-n', names.browsers, 'route', 'get', ADDRESSES.phones);
    return false;
  } catch {
    return forwards === '0';
  }
}
