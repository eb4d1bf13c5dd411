// What an xterm.js terminal has for the device, told apart by who made it: a person, or the terminal by
// itself.
import type { Terminal } from '@xterm/xterm';

/**
 * The one thing that this needs of the inside of xterm.js, whose public events do not tell a key from an
 * answer.
 */
interface Inside {
  _core: { coreService: { onUserInput(listener: () => void): unknown } };
}

const NO_BUTTON = 35; // in a mouse report: the pointer has moved, and no button is held (32 + 3)
const MODIFIERS = 4 | 8 | 16; // Shift, Meta and Control, whatever is held

/**
 * Calls `hear` with each message that the terminal has for the device. `byPerson` is true for keys, pastes,
 * buttons and the wheel of a mouse. It is false for what comes without a decision of a person: reports of a
 * pointer that passes over the terminal (`CSI ? 1003 h` asks for them), reports of the focus (`CSI ? 1004
 * h`), and answers to queries in the device's output (DA, DSR, DECRQM, DECRQSS, colours, sizes). A message
 * counts as the terminal's own unless xterm.js calls it a user's input, so that answers which later versions
 * learn are on the safe side.
 */
export function listen(
  terminal: Terminal,
  hear: (message: string | Uint8Array, byPerson: boolean) => void,
): void {
  let isInput = false;
  // Fires directly before the message that it is about.
  (terminal as unknown as Inside)._core.coreService.onUserInput(() => {
    isInput = true;
  });
  terminal.onData((text) => {
    const byPerson = isInput && !isPassing(buttonOf(text));
    isInput = false;
    hear(text, byPerson);
  });
  // Mouse reports in the oldest encoding: each character stands for one byte.
  terminal.onBinary((text) =>
    hear(
      Uint8Array.from(text, (character) => character.charCodeAt(0)),
      !isPassing(buttonOf(text)),
    ),
  );
}

/**
 * The button code of a mouse report, in either encoding: `CSI < code ; column ; row M`, or `CSI M` and three
 * bytes.
 */
function buttonOf(text: string): number | undefined {
  const [, code] = /^\x1b\[<(\d+);\d+;\d+[Mm]$/.exec(text) ?? [];
  if (code !== undefined) return Number(code);
  return text.startsWith('\x1b[M') && text.length === 6 ? text.charCodeAt(3) - 32 : undefined;
}

function isPassing(button: number | undefined): boolean {
  return button !== undefined && (button & ~MODIFIERS) === NO_BUTTON;
}
