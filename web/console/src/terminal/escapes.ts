// Text in a field of one line, with what cannot be typed there as an escape.

const ESCAPE = /\\(?:x([0-9a-fA-F]{2})|([nrt0\\]))/g;
const LETTERS: { [letter: string]: number } = { n: 10, r: 13, t: 9, 0: 0, '\\': 92 };

/** `\n`, `\r`, `\t`, `\0`, `\\` and `\xE9` as one byte each, everything else as UTF-8. */
export function bytesOfEscaped(text: string): Uint8Array {
  const encoder = new TextEncoder();
  const bytes: number[] = [];
  let from = 0;
  for (const match of text.matchAll(ESCAPE)) {
    bytes.push(
      ...encoder.encode(text.slice(from, match.index)),
      match[1] ? parseInt(match[1], 16) : LETTERS[match[2]!]!,
    );
    from = match.index + match[0].length;
  }
  return Uint8Array.from([...bytes, ...encoder.encode(text.slice(from))]);
}
