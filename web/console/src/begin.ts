// Where the page begins: the connection first, because it waits for the network, and what is to be seen while it is made.
import { t } from './i18n/index.ts';
import { arrive } from './state/access.ts';
import { words } from './state/failures.ts';
import { start } from './state/gateway.ts';
import { notice } from './state/notices.ts';
import './state/settings.ts';

const page = import('./main.tsx');
if (!isSecureContext) notice('insecure', () => ({ what: t('insecure'), todo: t('try.insecure') }));
try {
  await arrive();
} catch (error) {
  notice('share', () => words(error));
}
if (!('RTCPeerConnection' in globalThis)) notice('session', () => ({ what: t('no-webrtc'), todo: t('try.no-webrtc') }));
else void start();
page.catch(() => location.reload()); // a new version of the gateway has come between the page and its parts
// A link with a token, opened in a page that is there already, changes the fragment only.
addEventListener('hashchange', () => {
  if (/^#(token|share)=/.test(location.hash)) location.reload();
});
