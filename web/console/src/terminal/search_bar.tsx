// Looks for a text on the screen and above it.
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import { dark } from '../state/settings.ts';
import type { Found, Screen } from './screen.ts';
import { foundColours } from './theme.ts';

export function SearchBar({ screen, onClose }: { screen: Screen; onClose: () => void }) {
  const input = useRef<HTMLInputElement>(null);
  const [text, setText] = useState('');
  const [found, setFound] = useState<Found>({ index: -1, count: 0 });
  // Before the page is painted: what is typed right after the click belongs to the search already.
  useLayoutEffect(() => {
    input.current?.focus();
    const heard = screen.onFound(setFound);
    return () => {
      heard.dispose();
      screen.endFind();
    };
  }, [screen]);
  const find = (backwards: boolean, what = text) =>
    screen.find(what, backwards, foundColours[dark.value ? 'dark' : 'light']);
  const keys = (event: KeyboardEvent) => {
    if (event.key === 'Escape') onClose();
    else if (event.key === 'Enter') find(event.shiftKey);
    else return;
    event.preventDefault();
  };
  return (
    <search class="bar search">
      <input
        ref={input}
        type="search"
        aria-label={t('search.text')}
        placeholder={t('search.text')}
        value={text}
        spellcheck={false}
        onInput={(event) => {
          setText(event.currentTarget.value);
          find(false, event.currentTarget.value);
        }}
        onKeyDown={keys}
      />
      <span class="hint found" role="status">
        {text
          && (found.count
            ? t('search.found', { index: found.index + 1, count: found.count })
            : t('search.none'))}
      </span>
      <button type="button" class="small" aria-label={t('search.previous')} onClick={() => find(true)}>
        ↑
      </button>
      <button type="button" class="small" aria-label={t('search.next')} onClick={() => find(false)}>
        ↓
      </button>
      <button type="button" class="small quiet" aria-label={t('search.close')} onClick={onClose}>
        ✕
      </button>
    </search>
  );
}
