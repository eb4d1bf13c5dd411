// A device without a network, while the gateway cannot be reached: then the person is told what this page
// needs. There is no service worker that would say so before the page is loaded, see README.md.
import { effect, signal } from '@preact/signals';
import { t } from '../i18n/index.ts';
import { link } from './gateway.ts';
import { notice, settle } from './notices.ts';

const isOffline = signal(!navigator.onLine);
for (const event of ['online', 'offline'])
  addEventListener(event, () => {
    isOffline.value = !navigator.onLine;
  });

effect(() => {
  if (isOffline.value && link.value !== 'connected')
    notice('offline', () => ({ what: t('offline'), todo: t('try.offline', { host: location.host }) }));
  else settle('offline');
});
