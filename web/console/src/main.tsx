// What is to be seen, and who keeps the connection from here on.
import { render } from 'preact';
import type { Session } from 'thingway';
import { App } from './app.tsx';
import { t } from './i18n/index.ts';
import './plots/samples.ts';
import { redeem } from './state/access.ts';
import { share } from './state/arrival.ts';
import { words } from './state/failures.ts';
import { start } from './state/gateway.ts';
import { notice } from './state/notices.ts';

const PATIENCE = 300; // ms: drawing would hold a connection up that is nearly there

/** `first` is the connection that was begun before this file was there. */
export async function show(first: Promise<Session> | null): Promise<void> {
  const settled = first?.then(() => {}, () => {});
  if (!isSecureContext) notice('insecure', () => ({ what: t('insecure'), todo: t('try.insecure') }));
  if (share) await redeem(share).catch((error: unknown) => notice('share', () => words(error)));
  if (!('RTCPeerConnection' in globalThis)) notice('session', () => ({ what: t('no-webrtc'), todo: t('try.no-webrtc') }));
  else void start(first);
  await Promise.race([settled, new Promise((done) => setTimeout(done, PATIENCE))]);
  if (document.readyState === 'loading') await new Promise((done) => document.addEventListener('DOMContentLoaded', done));
  render(<App />, document.querySelector('#app')!);
}
