// What a device has said without what it says to a terminal, for the time in which there is none.
import type { Piece } from './record.ts';
import { concat, MUTED_PIECE, Visible } from './visible.ts';

/** Bytes of it that are shown: more than a screen. */
export const SHOWN = 4096;
/** Sequences of ECMA-48: CSI, OSC and the short ones, and CAN, which ends any of them. */
export const SEQUENCES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])|\x18/g;

/** Shows the pieces there, with the bytes that are no text in a muted colour. */
export function showPlain(place: HTMLElement, pieces: readonly Piece[]): void {
  const visible = new Visible();
  const text = new TextDecoder().decode(concat(pieces.map(({ bytes }) => visible.show(bytes))));
  // Every other part is muted.
  place.replaceChildren(
    ...text.split(MUTED_PIECE).map((part, at) => {
      if (at % 2 === 0) return part.replace(SEQUENCES, '').replace(/\r\n?/g, '\n');
      const muted = document.createElement('span');
      muted.className = 'unreadable';
      muted.textContent = part;
      return muted;
    }),
  );
}
