// What a browser does with arguments before a method sees them: the conversions of Web IDL, so far as Web
// Serial needs them.
import type { LineStep } from '../index.js';
import type { SerialOptions, SerialOutputSignals, SerialPortRequestOptions } from './types.js';

/** Nothing and null have no members; what is no object is a TypeError. */
function dictionary(value: unknown, of: string): Record<string, unknown> {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object' && typeof value !== 'function')
    throw new TypeError(`The provided value is not of type '${of}'.`);
  return value as Record<string, unknown>;
}

/** `[EnforceRange]`: strings become numbers, fractions are cut off, and nothing wraps around. */
function integer(value: unknown, name: string, max: number): number {
  const number = Math.trunc(+(value as number)); // a BigInt or a Symbol is a TypeError here, as it should be
  if (!(number >= 0 && number <= max)) throw new TypeError(`${name} is outside the range of 0 to ${max}.`);
  return number;
}

function oneOf<const T extends string>(value: unknown, name: string, words: readonly T[]): T {
  const word = words.find((known) => known === `${value}`);
  if (!word) throw new TypeError(`'${value}' is not a valid value of ${name}.`);
  return word;
}

/** The options of `open` as steps for the line. TypeError for what the specification refuses. */
export function lineSteps(options: SerialOptions): LineStep[] {
  const {
    baudRate,
    bufferSize = 255,
    dataBits = 8,
    flowControl = 'none',
    parity = 'none',
    stopBits = 1,
  } = dictionary(options, 'SerialOptions');
  if (baudRate === undefined) throw new TypeError('baudRate is required.');
  const baud = integer(baudRate, 'baudRate', 2 ** 32 - 1);
  const buffer = integer(bufferSize, 'bufferSize', 2 ** 32 - 1);
  const data = integer(dataBits, 'dataBits', 255);
  const flow = oneOf(flowControl, 'flowControl', ['none', 'hardware']);
  const letter = { none: 'N', even: 'E', odd: 'O' }[oneOf(parity, 'parity', ['none', 'even', 'odd'])];
  const stop = integer(stopBits, 'stopBits', 255);
  if (!baud) throw new TypeError('baudRate must be greater than zero.');
  if (!buffer) throw new TypeError('bufferSize must be greater than zero.');
  if (data !== 7 && data !== 8) throw new TypeError('dataBits must be 7 or 8.');
  if (stop !== 1 && stop !== 2) throw new TypeError('stopBits must be 1 or 2.');
  return [
    { baud },
    { format: `${data}${letter}${stop}` },
    { flow: flow === 'hardware' ? 'rts-cts' : 'none' },
  ];
}

/** The signals of `setSignals` as booleans; what is not given stays undefined. */
export function outputSignals(signals: SerialOutputSignals | undefined) {
  const given = dictionary(signals, 'SerialOutputSignals');
  const boolean = (name: keyof SerialOutputSignals) =>
    given[name] === undefined ? undefined : Boolean(given[name]);
  return { dtr: boolean('dataTerminalReady'), rts: boolean('requestToSend'), hold: boolean('break') };
}

/** TypeError for filters that the specification refuses. They have no other effect. */
export function checkFilters(options: SerialPortRequestOptions | undefined) {
  const { filters } = dictionary(options, 'SerialPortRequestOptions');
  if (filters === undefined) return;
  for (const filter of filters as Iterable<unknown>) {
    const { bluetoothServiceClassId, usbProductId, usbVendorId } = dictionary(filter, 'SerialPortFilter');
    const hasUsb = usbVendorId !== undefined || usbProductId !== undefined;
    if (bluetoothServiceClassId !== undefined && hasUsb)
      throw new TypeError('A filter cannot specify both Bluetooth and USB.');
    if (bluetoothServiceClassId === undefined && usbVendorId === undefined)
      throw new TypeError('A filter must have usbVendorId or bluetoothServiceClassId.');
  }
}

/** The bytes of a chunk for `writable`. */
export function bytesOf(chunk: BufferSource): Uint8Array<ArrayBuffer> {
  if (ArrayBuffer.isView(chunk))
    return new Uint8Array(chunk.buffer as ArrayBuffer, chunk.byteOffset, chunk.byteLength);
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk);
  throw new TypeError('The chunk is no BufferSource.');
}
