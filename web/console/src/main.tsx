// Where the page begins.
import { render } from 'preact';
import { App } from './app.tsx';
import { t } from './i18n/index.ts';
import './plots/samples.ts';
import { arrive } from './state/access.ts';
import { words } from './state/failures.ts';
import { start } from './state/gateway.ts';
import { notice } from './state/notices.ts';
import './state/settings.ts';

render(<App />, document.querySelector('#app')!);
if (!isSecureContext) notice('insecure', () => ({ what: t('insecure'), todo: t('try.insecure') }));
try {
  await arrive();
} catch (error) {
  notice('share', () => words(error));
}
if (!('RTCPeerConnection' in globalThis)) notice('session', () => ({ what: t('no-webrtc'), todo: t('try.no-webrtc') }));
else void start();
// A link with a token, opened in a page that is there already, changes the fragment only.
addEventListener('hashchange', () => {
  if (/^#(token|share)=/.test(location.hash)) location.reload();
});
