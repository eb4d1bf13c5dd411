// Waits for what a device says after each line: the `ok` of a G-code controller, or a prompt.
import { SEQUENCES } from '../terminal/plain_text.ts';
import type { Piece } from '../terminal/record.ts';

const KEPT = 4096; // characters: an answer is no longer

export class Answers {
  #text = '';
  #decoder = new TextDecoder();
  #pattern: RegExp;
  #heard: (() => void) | null = null;

  constructor(answer: string) {
    this.#pattern = patternOf(answer);
  }

  /** What was said before is no answer to what comes now. */
  clear(): void {
    this.#text = '';
  }

  take({ bytes }: Piece): void {
    this.#text = (this.#text + this.#decoder.decode(bytes, { stream: true })).slice(-KEPT);
    this.#look();
  }

  /** Settles when the answer has come since `clear`. */
  come(): Promise<void> {
    return new Promise((done) => {
      this.#heard = done;
      this.#look();
    });
  }

  #look(): void {
    if (!this.#heard || !this.#pattern.test(this.#text.replace(SEQUENCES, ''))) return;
    this.#heard();
    this.#heard = null;
  }
}

/** The text as a word of its own: an `ok` is not in `token`. */
export function patternOf(answer: string): RegExp {
  const text = answer.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const isWord = (character: string | undefined) => /[\p{L}\p{N}]/u.test(character ?? '');
  return new RegExp(
    `${isWord(answer[0]) ? '(?<![\\p{L}\\p{N}])' : ''}${text}${isWord(answer.at(-1)) ? '(?![\\p{L}\\p{N}])' : ''}`,
    'u',
  );
}
