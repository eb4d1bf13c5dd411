// SerialPort as in the Web Serial API, on an endpoint of a gateway instead of a USB adapter.
import { type LineStep, type Port, type Session, ThingwayError } from '../index.js';
import type { SerialInputSignals, SerialOptions, SerialOutputSignals, SerialPortInfo } from './types.js';

const network = (message: string) => new DOMException(message, 'NetworkError');
const notOpen = () => new DOMException('The port is not open.', 'InvalidStateError');
const LOST = 'The device has been lost.'; // the words of Chromium, which some programs look for

/** What a port needs of the object that made it. */
interface Owner {
  session(): Promise<Session>;
  present(endpoint: string): boolean;
  forget(port: SerialPort): void;
  readonly ignoreMissing: boolean;
}

/** Made by {@link Serial}. */
export class SerialPort extends EventTarget {
  /** The endpoint's name: no part of Web Serial. */
  readonly endpoint: string;
  onconnect: ((event: Event) => void) | null = null;
  ondisconnect: ((event: Event) => void) | null = null;
  #owner: Owner;
  #state: 'closed' | 'opening' | 'opened' | 'closing' | 'forgotten' = 'closed';
  #session: Session | undefined;
  #port: Port | undefined;
  #lost = false;
  #readable: ReadableStream<Uint8Array> | null = null;
  #reading: ReadableByteStreamController | undefined;
  #writable: WritableStream<BufferSource> | null = null;
  #writing: WritableStreamDefaultController | undefined;
  #breakSince = 0;

  /** @internal */
  constructor(owner: Owner, endpoint: string) {
    super();
    this.#owner = owner;
    this.endpoint = endpoint;
    this.addEventListener('connect', (event) => this.onconnect?.(event));
    this.addEventListener('disconnect', (event) => this.ondisconnect?.(event));
  }

  /** Whether the gateway can be reached and has the device. */
  get connected(): boolean { return this.#state !== 'forgotten' && this.#owner.present(this.endpoint); }

  getInfo(): SerialPortInfo { return {}; }

  /**
   * Opens a channel to the endpoint and sets the line. What the line said before, its scrollback, is thrown away, as far as it
   * has come when the line is set. NetworkError if the gateway refuses, or its driver does not do this.
   */
  async open(options: SerialOptions): Promise<void> {
    if (this.#state !== 'closed') throw new DOMException('The port is already open.', 'InvalidStateError');
    const steps = lineSteps(options);
    this.#state = 'opening';
    let port: Port | undefined;
    try {
      const session = this.#session = await this.#owner.session();
      port = this.#port = await session.open(this.endpoint, { split: true });
      let past = true;
      port.addEventListener('message', ({ data }) => {
        if (!past) this.#received(typeof data === 'string' ? new TextEncoder().encode(data) : data);
      });
      port.addEventListener('state', ({ detail }) => { if (detail.state !== 'open') this._lost(); });
      await session.line(this.endpoint, steps).catch((error) => {
        // What is no serial line at all has nothing to set: the other end of a TCP bridge, for instance.
        if (!(error.code === 'unsupported' && error.step === undefined && this.#owner.ignoreMissing)) throw error;
      });
      await session.ping();
      past = false;
      this.#lost = false;
      this.#state = 'opened';
    } catch (error) {
      this.#state = 'closed';
      this.#port = undefined;
      await port?.close();
      throw network(`Failed to open serial port: ${(error as Error).message}`);
    }
  }

  /** Null while the port is not open, and after the device was lost. */
  get readable(): ReadableStream<Uint8Array> | null {
    if (this.#readable || this.#state !== 'opened' || this.#lost) return this.#readable;
    return this.#readable = new ReadableStream({
      type: 'bytes',
      start: (controller) => { this.#reading = controller; },
      cancel: async () => {
        this.#readable = null;
        this.#reading = undefined;
        if (this.#state === 'opened' && !this.#lost) await this.#line([{ flush: 'input' }]).catch(() => {});
      },
    });
  }

  /** Null while the port is not open, and after the device was lost. Back-pressure is that of the line itself. */
  get writable(): WritableStream<BufferSource> | null {
    if (this.#writable || this.#state !== 'opened' || this.#lost) return this.#writable;
    const port = this.#port!;
    const gone = () => { this.#writable = null; this.#writing = undefined; };
    return this.#writable = new WritableStream<BufferSource>({
      start: (controller) => { this.#writing = controller; },
      write: async (chunk) => {
        const writer = port.writable.getWriter();
        try {
          if (!ArrayBuffer.isView(chunk) && !(chunk instanceof ArrayBuffer)) throw new TypeError('The chunk is no BufferSource.');
          await writer.write(ArrayBuffer.isView(chunk)
            ? new Uint8Array(chunk.buffer as ArrayBuffer, chunk.byteOffset, chunk.byteLength) : new Uint8Array(chunk));
        } catch (error) {
          gone();
          throw error instanceof ThingwayError ? network(error.message) : error;
        } finally {
          writer.releaseLock();
        }
      },
      // As with a real port, closing means that everything has left the line.
      close: async () => {
        gone();
        if (!this.#lost) await this.#line([], true).catch((error) => { if (error.code !== 'unsupported') throw network(error.message); });
      },
      abort: async () => {
        gone();
        if (!this.#lost) await this.#line([{ flush: 'output' }]).catch(() => {});
      },
    }, { highWaterMark: 1 });
  }

  /**
   * Sets modem lines behind the bytes that were written before. A break is sent when it ends, with the length that it had: the
   * board times breaks by itself.
   */
  async setSignals(signals: SerialOutputSignals = {}): Promise<void> {
    if (this.#state !== 'opened') throw notOpen();
    const { dataTerminalReady, requestToSend, break: hold } = signals;
    if (dataTerminalReady === undefined && requestToSend === undefined && hold === undefined) {
      throw new TypeError('No signals were given.');
    }
    const steps: LineStep[] = [];
    if (hold === true) this.#breakSince ||= performance.now();
    if (hold === false) steps.push(...this.#breakStep());
    const modem: { dtr?: boolean; rts?: boolean } = {};
    if (dataTerminalReady !== undefined) modem.dtr = dataTerminalReady;
    if (requestToSend !== undefined) modem.rts = requestToSend;
    if (Object.keys(modem).length) steps.push(modem);
    if (!steps.length) return;
    await this.#line(steps, true).catch((error) => {
      if (error.code === 'unsupported' && this.#owner.ignoreMissing) return;
      throw network(`Failed to set control signals: ${error.message}`);
    });
  }

  /** Changes the speed behind the bytes that were written before, without closing. No part of Web Serial; some programs ask for it. */
  async setBaudRate(baudRate: number): Promise<void> {
    if (this.#state !== 'opened') throw notOpen();
    await this.#line([{ baud: baudRate }], true).catch((error) => { throw network(error.message); });
  }

  async getSignals(): Promise<SerialInputSignals> {
    if (this.#state !== 'opened') throw notOpen();
    const { modem } = await this.#session!.line(this.endpoint).catch((error) => { throw network(error.message); });
    if (modem === 'unsupported') {
      if (!this.#owner.ignoreMissing) throw network('Failed to get control signals: the line has none.');
      return { dataCarrierDetect: false, clearToSend: false, ringIndicator: false, dataSetReady: false };
    }
    return { dataCarrierDetect: modem.dcd, clearToSend: modem.cts, ringIndicator: modem.ri, dataSetReady: modem.dsr };
  }

  /** TypeError while one of the streams is locked. */
  async close(): Promise<void> {
    if (this.#state !== 'opened') throw notOpen();
    this.#state = 'closing';
    try {
      await Promise.all([this.#readable?.cancel(), this.#writable?.abort()]);
    } catch (error) {
      this.#state = 'opened';
      throw error;
    }
    const steps = this.#breakStep();
    if (steps.length && !this.#lost) await this.#line(steps, true).catch(() => {});
    const port = this.#port;
    this.#port = undefined;
    this.#readable = this.#writable = null;
    this.#state = 'closed';
    await port?.close();
  }

  async forget(): Promise<void> {
    if (this.#state === 'opened') await this.close().catch(() => this.#port?.close());
    this.#state = 'forgotten';
    this.#owner.forget(this);
  }

  /** @internal The device or the connection is gone: both streams fail, and there are no others until the port is opened again. */
  _lost() {
    if (this.#lost || this.#state === 'closed' || this.#state === 'closing') return;
    this.#lost = true;
    this.#reading?.error(network(LOST));
    this.#writing?.error(network(LOST));
    this.#reading = this.#writing = undefined;
    this.#readable = this.#writable = null;
    this.#port?.close();
  }

  /** `behind`: when what was written before has left the line. Scripts run in the order of the calls. */
  #line(steps: LineStep[], behind = false): Promise<unknown> {
    const port = this.#port;
    if (!port || port.state !== 'open') return Promise.reject(network(LOST));
    return this.#session!.line(this.endpoint, steps, behind ? { after: 'sent', port } : { port });
  }

  #breakStep(): LineStep[] {
    if (!this.#breakSince) return [];
    const length = Math.min(10000, Math.max(1, Math.round(performance.now() - this.#breakSince)));
    this.#breakSince = 0;
    return [{ break_ms: length }];
  }

  #received(bytes: Uint8Array) {
    if (!this.#readable) void this.readable;
    if (bytes.length) this.#reading?.enqueue(bytes as Uint8Array<ArrayBuffer>);
  }
}

/** What the specification calls TypeError is checked here, so that it does not come from the gateway as something else. */
function lineSteps({ baudRate, dataBits = 8, stopBits = 1, parity = 'none', bufferSize = 255, flowControl = 'none' }: SerialOptions): LineStep[] {
  const fault = (what: string) => new TypeError(`Failed to execute 'open' on 'SerialPort': ${what}`);
  if (!Number.isInteger(baudRate) || baudRate <= 0) throw fault('baudRate must be greater than zero.');
  if (![7, 8].includes(dataBits)) throw fault('dataBits must be 7 or 8.');
  if (![1, 2].includes(stopBits)) throw fault('stopBits must be 1 or 2.');
  if (!['none', 'even', 'odd'].includes(parity)) throw fault(`parity cannot be ${parity}.`);
  if (!['none', 'hardware'].includes(flowControl)) throw fault(`flowControl cannot be ${flowControl}.`);
  if (!(bufferSize > 0)) throw fault('bufferSize must be greater than zero.');
  return [{ baud: baudRate }, { format: `${dataBits}${{ none: 'N', even: 'E', odd: 'O' }[parity]}${stopBits}` },
    { flow: flowControl === 'hardware' ? 'rts-cts' : 'none' }];
}
