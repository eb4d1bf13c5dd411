// Finds the numbers in what a device prints: lines of nothing but numbers, with names or without, as plotters of
// boards have it: `21.5 40`, `21.5,40`, `temperature:21.5 humidity:40`, `t=21.5`.

const KEPT = 1200; // points per series
const SERIES = 8;
const LINE_LIMIT = 256; // bytes; what is longer is no line of numbers
const BUDGET = 16 << 10; // bytes looked at in one `WINDOW`: a device that sends more is not for a plot, and must not cost the page
const WINDOW = 100; // ms
const TOKEN = /(?:([\p{L}_][\p{L}\p{N}_./-]*)\s*[:=]\s*)?([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*(?:[%°\p{L}/]{0,4})?(?:[\s,;]+|$)/uy;

export interface Series { at: number[]; values: (number | null)[] }

export class Numbers {
  readonly series = new Map<string, Series>();
  #line = '';
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
    for (const [name, value] of numbersOf(line)) {
      let series = this.series.get(name);
      if (!series) {
        if (this.series.size >= SERIES) continue;
        this.series.set(name, series = { at: [], values: [] });
      }
      series.at.push(at);
      series.values.push(value);
      if (series.at.length > KEPT) {
        series.at.shift();
        series.values.shift();
      }
    }
  }
}

/** Nothing unless the whole line is numbers. */
export function numbersOf(line: string): [string, number][] {
  const found: [string, number][] = [];
  TOKEN.lastIndex = line.length - line.trimStart().length;
  while (TOKEN.lastIndex < line.length) {
    const token = TOKEN.exec(line);
    if (!token) return [];
    found.push([token[1] ?? `#${found.length + 1}`, Number(token[2])]);
  }
  return found;
}
