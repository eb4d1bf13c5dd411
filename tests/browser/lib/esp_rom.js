// Plays the serial bootloader of an ESP32 at a pty: SLIP frames, chip detection, and the RAM program that
// writes flash.
import { createHash } from 'node:crypto';
import { inflateSync } from 'node:zlib';

const [END, ESC, ESC_END, ESC_ESC] = [0xc0, 0xdb, 0xdc, 0xdd];
const commands = {
  flashBegin: 0x02,
  flashData: 0x03,
  flashEnd: 0x04,
  memoryBegin: 0x05,
  memoryEnd: 0x06,
  memoryData: 0x07,
  sync: 0x08,
  writeRegister: 0x09,
  readRegister: 0x0a,
  attach: 0x0d,
  baud: 0x0f,
  deflateBegin: 0x10,
  deflateData: 0x11,
  deflateEnd: 0x12,
  md5: 0x13,
};
const registers = new Map([
  [0x40001000, 0x00f01d83], // by which the tool knows an ESP32
  [0x3ff40014, 347], // the divider of the UART at 115,200 baud and 40 MHz
  [0x3ff42080, 0x164020], // what the flash chip answers: 4 MB
]);

/**
 * `hears` is for SerialDevice.plugIn. `flash` is what was written, by address; `seen` the commands in their
 * order.
 */
export class EspRom {
  seen = [];
  flash = new Map();
  faults = [];
  #frame = null;
  #escaped = false;
  #stub = false;
  #image = null;

  hears = (bytes, device) => {
    for (const byte of bytes) {
      if (byte === END) {
        if (this.#frame?.length) this.#command(Buffer.from(this.#frame), device);
        this.#frame = this.#frame?.length ? null : [];
      } else if (this.#frame) {
        if (this.#escaped)
          this.#frame.push(byte === ESC_END ? END : byte === ESC_ESC ? ESC : this.#fault(`escape ${byte}`));
        else if (byte !== ESC) this.#frame.push(byte);
        this.#escaped = byte === ESC && !this.#escaped;
      }
    }
  };

  #fault(what) {
    this.faults.push(what);
    return 0;
  }

  #command(frame, device) {
    const [direction, op] = frame;
    const data = frame.subarray(8);
    if (direction !== 0 || frame.readUInt16LE(2) !== data.length)
      return this.#fault(`frame ${frame.toString('hex').slice(0, 40)}`);
    this.seen.push(op);
    const answer = (value = 0, payload = Buffer.alloc(0), as = op, failure = [0, 0]) => {
      const body = Buffer.concat([payload, Buffer.from(this.#stub ? failure : [...failure, 0, 0])]);
      const head = Buffer.alloc(8);
      head.set([1, as]);
      head.writeUInt16LE(body.length, 2);
      head.writeUInt32LE(value >>> 0, 4);
      device.write(slip(Buffer.concat([head, body])));
    };
    switch (op) {
      case commands.sync:
        for (let i = 0; i < 8; i++) answer(0x20120707);
        return;
      case commands.readRegister:
        return answer(registers.get(data.readUInt32LE(0)) ?? 0);
      case commands.memoryEnd:
        answer();
        this.#stub = true;
        return device.write(slip(Buffer.from('OHAI')));
      case commands.deflateBegin:
        this.#image = { address: data.readUInt32LE(12), parts: [] };
        return answer();
      case commands.memoryData:
      case commands.deflateData: {
        const part = data.subarray(16);
        if (part.reduce((sum, byte) => sum ^ byte, 0xef) !== frame.readUInt32LE(4)) this.#fault('checksum');
        if (data.readUInt32LE(0) !== part.length) this.#fault('length');
        if (op === commands.deflateData) this.#image.parts.push(Buffer.from(part));
        return answer();
      }
      case commands.deflateEnd:
        this.#settle();
        return answer();
      case commands.md5: {
        this.#settle();
        const image = this.flash.get(data.readUInt32LE(0)) ?? Buffer.alloc(0);
        return answer(
          0,
          createHash('md5')
            .update(image.subarray(0, data.readUInt32LE(4)))
            .digest(),
        );
      }
      default:
        if (Object.values(commands).includes(op)) return answer();
        // So it is with the first ROMs: an answer to no command that says what was wrong, eight times.
        for (let i = 0; i < 8; i++) answer(0, undefined, 0, [1, 5]);
    }
  }

  #settle() {
    if (this.#image) this.flash.set(this.#image.address, inflateSync(Buffer.concat(this.#image.parts)));
    this.#image = null;
  }
}

function slip(bytes) {
  const out = [END];
  for (const byte of bytes) {
    if (byte === END) out.push(ESC, ESC_END);
    else if (byte === ESC) out.push(ESC, ESC_ESC);
    else out.push(byte);
  }
  return Buffer.from([...out, END]);
}
