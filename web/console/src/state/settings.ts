// A person's choices, remembered on this device.
import { effect, signal, type Signal } from '@preact/signals';
import { language, languages, type Language } from '../i18n/index.ts';
import { store, stored } from './storage.ts';

export type Theme = 'auto' | 'light' | 'dark';

/** A signal whose value is there again after a reload. */
export function remembered<T>(key: string, initial: T): Signal<T> {
  let value = initial;
  try {
    const text = stored(key);
    if (text !== null)
      value = typeof initial === 'object' ? { ...initial, ...JSON.parse(text) } : JSON.parse(text);
  } catch {
    // Written by another version of this page.
  }
  const kept = signal(value);
  effect(() => store(key, JSON.stringify(kept.value)));
  return kept;
}

export const theme = remembered<Theme>('theme', 'auto');
const slim = matchMedia('(max-width: 50rem)');
/** Whether there is room for one column only, as on a phone. */
export const isNarrow = signal(slim.matches);
slim.addEventListener('change', () => {
  isNarrow.value = slim.matches;
});
/**
 * Where fingers point, what takes the focus raises a keyboard over half of the page. A person does that, not
 * the page.
 */
export const raisesKeyboard = (): boolean => matchMedia('(pointer: coarse)').matches;
const wish = remembered<Language | 'auto'>('language', 'auto');
const system = matchMedia('(prefers-color-scheme: dark)');
const systemIsDark = signal(system.matches);
system.addEventListener('change', () => {
  systemIsDark.value = system.matches;
});

export const dark = signal(false);
effect(() => {
  dark.value = theme.value === 'auto' ? systemIsDark.value : theme.value === 'dark';
  document.documentElement.dataset.theme = dark.value ? 'dark' : 'light';
});
effect(() => {
  const preferred = navigator.languages
    .map((tag) => tag.split('-')[0]!)
    .find((tag): tag is Language => tag in languages);
  language.value = wish.value === 'auto' ? (preferred ?? 'en') : wish.value;
  document.documentElement.lang = language.value;
});
export const chooseLanguage = (chosen: Language): void => {
  wish.value = chosen;
};
