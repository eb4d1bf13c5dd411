// Whether this page can be kept as an app, and how. Browsers offer it for pages of this machine and for those
// with a certificate that the device trusts.
import { signal } from '@preact/signals';

/** Chromium's event, which no standard has: `prompt` asks the person. */
interface InstallEvent extends Event {
  prompt(): Promise<unknown>;
}

/** Asks the person, where the browser lets the page do that. */
export const install = signal<(() => void) | null>(null);
export const isInstalled = (): boolean => matchMedia('(display-mode: standalone)').matches;

addEventListener('beforeinstallprompt', (event) => {
  event.preventDefault(); // the menu of the page offers it instead
  install.value = () => void (event as InstallEvent).prompt();
});
addEventListener('appinstalled', () => {
  install.value = null;
});
