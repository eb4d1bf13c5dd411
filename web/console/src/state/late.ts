// Parts of the page that come later: said when they do not come, and asked for again when there is a gateway
// again.
import { t } from '../i18n/index.ts';
import { parts, type Later } from './early.ts';
import { reasonWords } from './failures.ts';
import { link } from './gateway.ts';
import { notice, settle } from './notices.ts';

interface Parts {
  screen: typeof import('../terminal/screen.ts');
  later: typeof import('../views/later.tsx');
}

/** Those that are here or on their way. There is one of each: two would have two states. */
const asked = new Map<Later, Promise<unknown>>();
const failures = new Map<Later, number>();

/**
 * Asks for a part, once for all callers. After a failure the part is asked for under another URL, because
 * browsers up to Chromium 148 remember a failed import for the life of the page and never ask for that URL
 * again. What the part imports is asked for under its own URL, as ever, and is here already: the build sees
 * to that.
 */
export function load<Name extends Later>(name: Name): Promise<Parts[Name]> {
  let part = asked.get(name) as Promise<Parts[Name]> | undefined;
  if (!part) {
    const times = failures.get(name) ?? 0;
    const address = new URL(parts[name], document.baseURI);
    if (times) address.search = `again=${times}`;
    part = (import(address.href) as Promise<Parts[Name]>).catch((error: unknown) => {
      failures.set(name, times + 1);
      asked.delete(name);
      throw error;
    });
    asked.set(name, part);
  }
  return part;
}

/**
 * Settles when the part is there. A page whose gateway was upgraded meanwhile has to be loaded anew: the
 * notice offers that.
 */
export async function late<Name extends Later>(name: Name): Promise<Parts[Name]> {
  for (;;) {
    try {
      const part = await load(name);
      settle('part');
      return part;
    } catch {
      notice('part', () => reasonWords('unreachable'), {
        label: () => t('reload'),
        run: () => location.reload(),
      });
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
