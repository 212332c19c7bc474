// Where the page begins: settings from /config.json and from the page's own URL
// (?user=...&password=...&domain=...&number=...&tone=1&register=0), then the softphone and its view.

import { Softphone } from './softphone.js';
import { View } from './view.js';

const url = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/`;
let view;
const softphone = new Softphone(url, () => view?.show());
window.softphone = softphone;
view = new View(softphone);

const given = Object.fromEntries(new URLSearchParams(location.search));
const served = await fetch('config.json').then((response) => (response.ok ? response.json() : {})).catch(() => ({}));
const { users = [] } = served;
const user = given.user ?? users[0]?.user;
const password = given.password ?? users.find((it) => it.user === user)?.password;
view.fill({ ...served, users, domain: given.domain ?? served.domain ?? location.hostname, user, password });
if (given.number) document.getElementById('number').value = given.number;
if (given.tone) document.getElementById('tone').click();
view.show();

window.addEventListener('pagehide', () => softphone.unregister({ now: true }));
if (user && password && given.register !== '0') softphone.register(view.account);
