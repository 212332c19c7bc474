// baresip as a desk phone that sends back what it hears: a caller that hears its own tone was heard.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ADDRESSES } from './net.mjs';
import { end, says, start } from './processes.mjs';
import { DOMAIN, passwordOf } from './registrar.mjs';

const USER = 'baresip';

const CONFIG = `
poll_method epoll
sip_listen ${ADDRESSES.phones}:5070
audio_player aubridge,loop
audio_source aubridge,loop
audio_alert aubridge,none
ausrc_srate 8000
auplay_srate 8000
rtp_ports 32000-32100
ringback_disabled yes
module_path /usr/lib/baresip/modules
module stdio.so
module g711.so
module aubridge.so
module_app account.so
module_app menu.so
`;

export class Baresip {
  static async start(run) {
    const folder = join(run.folder, 'baresip');
    mkdirSync(folder, { recursive: true });
    const account = `<sip:${USER}@${DOMAIN}>;auth_user=${USER};auth_pass=${passwordOf(USER)};outbound="sip:${ADDRESSES.phones}:5060";regint=600;answermode=auto`;
    for (const [file, text] of [['config', CONFIG], ['accounts', `${account}\n`], ['contacts', '']]) writeFileSync(join(folder, file), text);
    const phone = new Baresip(start(run, 'baresip', run.names.phones, 'baresip', ['-f', folder], { stdin: true, env: { HOME: folder } }));
    await says(phone.process, /200 OK/);
    return phone;
  }

  constructor(process) {
    this.process = process;
    this.uri = `sip:${USER}@${DOMAIN}`;
  }

  command(text) {
    this.process.child.stdin.write(`/${text}\n`);
  }

  async says(pattern) {
    await says(this.process, pattern, 5000);
  }

  stop() {
    return end(this.process);
  }
}
