// A terminal before xterm.js is there: the end of what has come, as plain text.
import type { Desk } from '../state/desks.ts';

const SHOWN = 4096; // bytes: more than a screen
const SEQUENCES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])/g; // ECMA-48: CSI, OSC and the short ones

export function showEarly(place: HTMLElement, desk: Desk): () => void {
  const text = document.createElement('pre');
  text.className = 'early';
  place.append(text);
  const show = () => {
    const decoder = new TextDecoder();
    const pieces = desk.record.last(SHOWN).map(({ bytes }) => decoder.decode(bytes, { stream: true }));
    text.textContent = pieces.join('').replace(SEQUENCES, '').replace(/\r\n?/g, '\n');
  };
  show();
  const detach = desk.attach({ take: show });
  return () => {
    detach();
    text.remove();
  };
}
