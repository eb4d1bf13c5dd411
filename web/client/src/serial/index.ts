// What `import … from "thingway/serial"` gives.
export { createSerial, Serial } from './serial.js';
export { SerialPort } from './port.js';
export type * from './types.js';
