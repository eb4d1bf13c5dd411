// What is to be seen, and who keeps the connection from here on.
import { render } from 'preact';
import { App } from './app.tsx';
import { t } from './i18n/index.ts';
import './plots/samples.ts';
import { redeem } from './state/access.ts';
import { namedIn } from './state/address.ts';
import { begun, deskOf, desks, openNamed } from './state/desks.ts';
import { first, share } from './state/early.ts';
import { words } from './state/failures.ts';
import { start } from './state/gateway.ts';
import { notice } from './state/notices.ts';
import './state/offline.ts';

const PATIENCE = 300; // ms: drawing would hold a connection up that is nearly there

/** Takes over what was begun before this file was there. */
export async function show(): Promise<void> {
  first?.over(); // from here on the console shows what there is
  const glance = first?.glance;
  const settled = first && Promise.allSettled([first.session, ...first.ports.values()]);
  for (const [name, port] of first?.ports ?? []) begun.set(name, port);
  if (!isSecureContext) notice('insecure', () => ({ what: t('insecure'), todo: t('try.insecure') }));
  if (share) await redeem(share).catch((error: unknown) => notice('share', () => words(error)));
  if (!('RTCPeerConnection' in globalThis))
    notice('session', () => ({ what: t('no-webrtc'), todo: t('try.no-webrtc') }));
  else void start(first?.session);
  openNamed(!location.hash && glance ? [glance.name] : namedIn(location.hash));
  if (!location.hash && !glance)
    void first?.names.then(
      (names) => {
        if (!desks.peek().length) openNamed(names);
      },
      () => {},
    );
  // Made while the network is waited for, laid out and painted when there is something to be seen.
  const app = document.createElement('div');
  app.id = 'app';
  render(<App />, app);
  const ready = glance ? opened(glance.name) : settled;
  await Promise.race([ready, new Promise((done) => setTimeout(done, PATIENCE))]);
  if (document.readyState === 'loading')
    await new Promise((done) => document.addEventListener('DOMContentLoaded', done));
  glance?.remove();
  document.body.prepend(app);
}

/** When the desk has its port, and has taken over what was seen of it before, or has none to come. */
function opened(name: string): Promise<void> {
  return new Promise((done) => {
    deskOf(name)?.state.subscribe((state) => {
      if (state !== 'opening') done();
    });
  });
}
