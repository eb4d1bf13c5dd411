// Failures in plain words: what has happened, and what to try.
import { isKey, t, type Key } from '../i18n/index.ts';
import { Refusal } from './access.ts';

export interface Words {
  what: string;
  todo: string;
}

/**
 * The words for a `reason` of the gateway or a `code` of the client library; `detail` is the gateway's own
 * sentence.
 */
export function reasonWords(reason: string, detail = ''): Words {
  const key = `why.${reason}`;
  const todo = `try.${reason}`;
  return {
    what: isKey(key) ? join(t(key), detail) : detail || t('why.other', { reason }),
    todo: isKey(todo) ? t(todo) : t('try.other'),
  };
}

/** What a call threw. */
export function words(error: unknown): Words {
  if (error instanceof Refusal) return refusalWords(error);
  if (isCoded(error)) {
    const known = isKey(`why.${error.code}`);
    const said = reasonWords(error.code, known && !DETAILED.has(error.code) ? '' : error.message);
    return known || !error.hint ? said : { ...said, todo: error.hint };
  }
  if (error instanceof DOMException && error.name === 'TimeoutError') return reasonWords('timeout');
  // What `fetch` throws when nobody answers says nothing that helps.
  if (error instanceof TypeError) return reasonWords('unreachable');
  return { what: error instanceof Error ? error.message : String(error), todo: t('try.other') };
}

function refusalWords({ word, status, detail, where }: Refusal): Words {
  const said = sentence(where ? `${detail} (${where})` : detail);
  if (word && isKey(`why.${word}`)) return reasonWords(word, word === 'forbidden' ? said : '');
  const what = `why.status-${status}`;
  const todo = `try.status-${status}`;
  return { what: isKey(what) ? t(what) : said, todo: t(isKey(todo) ? (todo as Key) : 'try.other') };
}

function isCoded(error: unknown): error is Error & { code: string; hint?: string } {
  return (
    error instanceof Error
    && !(error instanceof DOMException)
    && typeof (error as { code?: unknown }).code === 'string'
  );
}

/**
 * Where the gateway's own sentence adds to the words of this page. The others of the library say the same in
 * English.
 */
const DETAILED: ReadonlySet<string> = new Set([
  'failed',
  'bad-script',
  'bad-request',
  'refused',
  'forbidden',
  'ended',
]);
const join = (what: string, detail: string) => (detail ? `${what} ${sentence(detail)}` : what);
/** The gateway's details begin small and have no full stop. */
const sentence = (text: string) =>
  text.replace(/^\p{Ll}/u, (letter) => letter.toUpperCase()).replace(/[.。]?$/, '.');
