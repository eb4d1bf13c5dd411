// Finds the numbers in what a device prints: lines of nothing but numbers, with names or without, as plotters
// of boards have it (`21.5 40`, `temperature:21.5 humidity:40`, `t=21.5`), and numbers among words (`temp
// 21.5 C`, `line 0001 temp:22`, `{"temp":22}`).
import { SEQUENCES } from '../terminal/plain_text.ts';

const KEPT = 1200; // points per field
const FIELDS = 24;
const LINE_LIMIT = 256; // characters; what is longer is no line of numbers
// bytes looked at in one `WINDOW`: a device that sends more is not for a plot, and must not cost the page
const BUDGET = 16 << 10;
const WINDOW = 100; // ms
/**
 * A number by itself, with a unit of a few letters at most that is not the name of the next number; before it
 * its own name, with a sign or not.
 */
const NUMBER =
  /(?<![^\s,;([{])(?:["']?([\p{L}_][\p{L}\p{N}_./-]*)["']?(\s*[:=]\s*|\s+))?([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)(?:\s?[%°/]\p{L}{0,3}|[\p{L}/]{1,4}|\s[\p{L}/]{1,4}(?![\p{L}\p{N}]|\s*[:=]|\s+[-+.]?\d))?(?=$|[\s,;)\]}])/gu;

/**
 * `isPlain`: the line says that this is a value, by a sign (`temp:22`) or because it has nothing but names
 * and numbers.
 */
export interface Found {
  name: string;
  value: number;
  isPlain: boolean;
}
/** `lines`: which line of the device each value was in. */
export interface Field {
  at: number[];
  values: (number | null)[];
  lines: number[];
  isPlain: boolean;
}

export class Numbers {
  readonly fields = new Map<string, Field>();
  #line = '';
  #lines = 0;
  #window = 0;
  #spent = 0;
  #decoder = new TextDecoder();

  take(bytes: Uint8Array, at: number): void {
    if (at - this.#window > WINDOW) [this.#window, this.#spent] = [at, 0];
    this.#spent += bytes.length;
    if (this.#spent > BUDGET) {
      this.#line = '?'; // what follows begins in the middle of a line
      return;
    }
    const lines = (this.#line + this.#decoder.decode(bytes, { stream: true })).split(/\r?\n|\r/);
    this.#line = lines.pop()!;
    if (this.#line.length > LINE_LIMIT) this.#line = '?'.repeat(LINE_LIMIT);
    for (const line of lines) this.#look(line, at / 1000);
  }

  #look(line: string, at: number): void {
    if (!line || line.length > LINE_LIMIT) return;
    this.#lines++;
    for (const { name, value, isPlain } of numbersOf(line)) {
      let field = this.fields.get(name);
      if (!field) {
        if (this.fields.size >= FIELDS) continue;
        this.fields.set(name, (field = { at: [], values: [], lines: [], isPlain }));
      }
      field.isPlain ||= isPlain;
      field.at.push(at);
      field.values.push(value);
      field.lines.push(this.#lines);
      if (field.at.length > KEPT) for (const column of [field.at, field.values, field.lines]) column.shift();
    }
  }
}

export function numbersOf(coloured: string): Found[] {
  // The time before a line of a log, as of a kernel, is no value.
  const line = coloured
    .replace(SEQUENCES, '')
    .trim()
    .replace(/^\[\s*[\d.:-]+\]\s+/, '');
  const found: (Found & { isSigned: boolean })[] = [];
  let rest = line;
  for (const [whole, name, sign, number] of line.matchAll(NUMBER)) {
    rest = rest.replace(whole, '');
    const plain = name ?? `#${found.length + 1}`;
    const times = found.filter((other) => other.name === plain || other.name.startsWith(`${plain} `)).length;
    found.push({
      name: times ? `${plain} ${times + 1}` : plain,
      value: Number(number),
      isPlain: false,
      isSigned: name !== undefined && sign!.trim() !== '',
    });
  }
  // Where some have a sign, a number behind a word is a counter or part of a sentence.
  const hasSigns = found.some(({ isSigned }) => isSigned);
  const isBare = /^[\s,;()[\]{}]*$/.test(rest);
  return found.map(({ name, value, isSigned }) => ({ name, value, isPlain: hasSigns ? isSigned : isBare }));
}
