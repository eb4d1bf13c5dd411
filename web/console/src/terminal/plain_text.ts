// What a device has said without what it says to a terminal, for the time in which there is none.
import type { Piece } from './record.ts';

/** Bytes of it that are shown: more than a screen. */
export const SHOWN = 4096;
const SEQUENCES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])/g; // ECMA-48: CSI, OSC and the short ones

export function plainText(pieces: readonly Piece[]): string {
  const decoder = new TextDecoder();
  return pieces.map(({ bytes }) => decoder.decode(bytes, { stream: true })).join('').replace(SEQUENCES, '').replace(/\r\n?/g, '\n');
}
