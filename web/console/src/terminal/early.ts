// A terminal before xterm.js is there: the end of what has come, as plain text.
import type { Desk } from '../state/desks.ts';
import { showPlain, SHOWN } from './plain_text.ts';

export function showEarly(place: HTMLElement, desk: Desk): () => void {
  const text = document.createElement('pre');
  text.className = 'early';
  place.append(text);
  const show = () => {
    showPlain(text, desk.record.last(SHOWN));
  };
  show();
  const detach = desk.attach({ take: show });
  return () => {
    detach();
    text.remove();
  };
}
