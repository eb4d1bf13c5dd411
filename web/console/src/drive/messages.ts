// What is sent while driving: a person's own text with places for what stick and keys say.

export interface Inputs {
  x: number;
  y: number;
  axes: readonly number[];
  buttons: readonly number[];
}

/** `\n`, `\r`, `\t`, `\\` and `\x1b`, as they are written in a field of one line. */
export function unescaped(text: string): string {
  return text.replace(/\\(?:x([0-9a-fA-F]{2})|([nrt\\0]))/g, (_, hex: string | undefined, letter: string) =>
    hex
      ? String.fromCharCode(parseInt(hex, 16))
      : { n: '\n', r: '\r', t: '\t', '\\': '\\', 0: '\0' }[letter]!,
  );
}

/** `{x}` `{y}` from -1 to 1, `{a0}` … and `{b0}` … of a gamepad. `{x*100}` is multiplied and rounded. */
export function fill(template: string, { x, y, axes, buttons }: Inputs): string {
  return unescaped(template).replace(
    /\{(x|y|[ab]\d{1,2})(?:\*(\d+(?:\.\d+)?))?\}/g,
    (_, name: string, factor: string | undefined) => {
      const index = Number(name.slice(1));
      const value =
        name === 'x' ? x : name === 'y' ? y : ((name[0] === 'a' ? axes[index] : buttons[index]) ?? 0);
      return factor ? String(Math.round(value * Number(factor)) || 0) : trim(value);
    },
  );
}

/** Two digits, and no `-0`. */
const trim = (value: number) => String(Number(value.toFixed(2)) || 0);

const KEYS: { [code: string]: readonly [number, number] } = {
  ArrowUp: [0, 1],
  KeyW: [0, 1],
  ArrowDown: [0, -1],
  KeyS: [0, -1],
  ArrowLeft: [-1, 0],
  KeyA: [-1, 0],
  ArrowRight: [1, 0],
  KeyD: [1, 0],
};
export const isDirection = (code: string): boolean => code in KEYS;
const DEAD_ZONE = 0.12; // of a stick that does not come back to its middle

/** Keys, the first gamepad and a finger on the field together. */
export function read(held: ReadonlySet<string>, finger: { x: number; y: number }): Inputs {
  let { x, y } = finger;
  for (const code of held) {
    const direction = KEYS[code];
    if (direction) [x, y] = [x + direction[0], y + direction[1]];
  }
  // Only a secure context may ask for gamepads.
  const pad = navigator.getGamepads?.().find((found) => found !== null);
  const axes = pad?.axes.map((value) => (Math.abs(value) < DEAD_ZONE ? 0 : value)) ?? [];
  const clamp = (value: number) => Math.max(-1, Math.min(1, value));
  return {
    x: clamp(x + (axes[0] ?? 0)),
    y: clamp(y - (axes[1] ?? 0)),
    axes,
    buttons: pad?.buttons.map(({ value }) => value) ?? [],
  };
}
