// What this device remembers of a person's choices. Nothing of it leaves the browser.
import { effect, signal, type Signal } from '@preact/signals';
import { language, languages, type Language } from '../i18n/index.ts';

export type Theme = 'auto' | 'light' | 'dark';

/** A browser may refuse storage altogether; then a choice lasts as long as the page. */
export function stored(key: string, storage: () => Storage = () => localStorage): string | null {
  try {
    return storage().getItem(`thingway.${key}`);
  } catch {
    return null;
  }
}

export function store(key: string, value: string | null, storage: () => Storage = () => localStorage): void {
  try {
    if (value === null) storage().removeItem(`thingway.${key}`);
    else storage().setItem(`thingway.${key}`, value);
  } catch {
    // It is not remembered, which is all that is lost.
  }
}

/** A signal whose value is there again after a reload. */
export function remembered<T>(key: string, initial: T): Signal<T> {
  let value = initial;
  try {
    const text = stored(key);
    if (text !== null) value = typeof initial === 'object' ? { ...initial, ...JSON.parse(text) } : JSON.parse(text);
  } catch {
    // Written by another version of this page.
  }
  const kept = signal(value);
  effect(() => store(key, JSON.stringify(kept.value)));
  return kept;
}

export const theme = remembered<Theme>('theme', 'auto');
const wish = remembered<Language | 'auto'>('language', 'auto');
const system = matchMedia('(prefers-color-scheme: dark)');
const systemIsDark = signal(system.matches);
system.addEventListener('change', () => { systemIsDark.value = system.matches; });

export const dark = signal(false);
effect(() => {
  dark.value = theme.value === 'auto' ? systemIsDark.value : theme.value === 'dark';
  document.documentElement.dataset.theme = dark.value ? 'dark' : 'light';
});
effect(() => {
  const preferred = navigator.languages.map((tag) => tag.split('-')[0]!).find((tag): tag is Language => tag in languages);
  language.value = wish.value === 'auto' ? preferred ?? 'en' : wish.value;
  document.documentElement.lang = language.value;
});
export const chooseLanguage = (chosen: Language): void => { wish.value = chosen; };
