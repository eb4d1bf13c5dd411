// What a plot shows as a table (RFC 4180): a row for each line of the device, with the time at which it came
// here.
import type { Field } from './numbers.ts';

export function csv(fields: ReadonlyMap<string, Field>): string {
  const rows = new Map<number, (number | string)[]>();
  const names = [...fields.keys()];
  for (const [column, { at, values, lines }] of [...fields.values()].entries()) {
    for (const [n, line] of lines.entries()) {
      let row = rows.get(line);
      if (!row) rows.set(line, (row = [new Date(at[n]! * 1000).toISOString(), ...names.map(() => '')]));
      row[column + 1] = values[n] ?? '';
    }
  }
  const ordered = [...rows].sort(([one], [other]) => one - other).map(([, row]) => row);
  return [['time', ...names], ...ordered].map((row) => `${row.map(quoted).join(',')}\r\n`).join('');
}

const quoted = (cell: number | string): string =>
  /[",\r\n]/.test(String(cell)) ? `"${String(cell).replaceAll('"', '""')}"` : String(cell);
