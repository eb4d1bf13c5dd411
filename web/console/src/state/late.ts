// Parts of the page that come later: said when they do not come, and asked for again when there is a gateway again.
import { t } from '../i18n/index.ts';
import { reasonWords } from './failures.ts';
import { link } from './gateway.ts';
import { notice, settle } from './notices.ts';

/** Settles when the part is there. A page whose gateway was upgraded meanwhile has to be loaded anew: the notice offers that. */
export async function late<Part>(load: () => Promise<Part>): Promise<Part> {
  for (;;) {
    try {
      const part = await load();
      settle('part');
      return part;
    } catch {
      notice('part', () => reasonWords('unreachable'), { label: () => t('reload'), run: () => location.reload() });
      await comesBack();
    }
  }
}

/** The next time that the page is connected and was not before. */
function comesBack(): Promise<void> {
  return new Promise((done) => {
    let away = link.peek() !== 'connected';
    const stop = link.subscribe((state) => {
      if (state !== 'connected') away = true;
      else if (away) {
        done();
        queueMicrotask(() => stop());
      }
    });
  });
}
