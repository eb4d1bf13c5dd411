// One table of messages per language; the keys of English are the keys of all, which the compiler and a test
// see to.
import { signal } from '@preact/signals';
import { en } from './en.ts';
import { ja } from './ja.ts';

export type Key = keyof typeof en;
export type Values = { [name: string]: string | number };
export type Language = 'en' | 'ja';

const tables: { [language in Language]: { [key in Key]: string } } = { en, ja };
export const languages: { [language in Language]: string } = { en: 'English', ja: '日本語' };

export const language = signal<Language>('en');

/** The message for people, in the language of now. `{name}` is replaced by a value of that name. */
export function t(key: Key, values: Values = {}): string {
  return tables[language.value][key].replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === 'number' ? number(value) : value;
  });
}

/** Whether there is such a message; for words that come from the gateway. */
export const isKey = (key: string): key is Key => key in en;

const formats = new Map<string, Intl.NumberFormat>();

export function number(value: number, digits = 0): string {
  // The first use of Intl takes 40 ms, which the first sight of the page can do without.
  if (!digits && Number.isInteger(value) && value >= 0 && value < 1000) return String(value);
  const name = `${language.value} ${digits}`;
  const format =
    formats.get(name)
    ?? new Intl.NumberFormat(language.value, {
      maximumFractionDigits: digits,
      minimumFractionDigits: digits,
    });
  formats.set(name, format);
  return format.format(value);
}

/** `1.2 kB`, with the prefixes of SI. */
export function bytes(value: number): string {
  for (const [limit, unit] of [
    [1e9, 'GB'],
    [1e6, 'MB'],
    [1e3, 'kB'],
  ] as const) {
    if (value >= limit) return `${number(value / limit, value >= 100 * limit ? 0 : 1)} ${unit}`;
  }
  return `${number(value)} B`;
}

/** `500 ms`, `4 s`. */
export const duration = (ms: number): string =>
  ms < 1000 ? `${number(ms)} ms` : `${number(ms / 1000, ms % 1000 ? 1 : 0)} s`;

export function time(at: number | string | null): string {
  if (at === null) return '–';
  return new Intl.DateTimeFormat(language.value, { dateStyle: 'short', timeStyle: 'medium' }).format(
    new Date(at),
  );
}
