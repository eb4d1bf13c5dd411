// SerialPort as in the Web Serial API, on an endpoint of a gateway instead of a USB adapter.
import type { LineStep, Port, Session, ThingwayError } from '../index.js';
import { bytesOf, lineSteps, outputSignals } from './convert.js';
import type {
  SerialInputSignals,
  SerialOptions,
  SerialOutputSignals,
  SerialPortInfo,
  SetSignalsOptions,
} from './types.js';

/**
 * Bytes that may wait to be read. A gateway cannot be held up by a page that does not read, so they have to
 * end somewhere.
 */
const READ_LIMIT = 1 << 24;
const LOST = 'The device has been lost.'; // the words of Chromium, which some programs look for
const network = (message: string) => new DOMException(message, 'NetworkError');
const notOpen = () => new DOMException('The port is not open.', 'InvalidStateError');

/** When a script is run: at once, behind what was written, or even before scripts that wait. */
type When = 'now' | 'behind' | 'overtaking';

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
  #attached: Promise<unknown> = Promise.resolve();
  #lost = false;
  #readable: ReadableStream<Uint8Array> | null = null;
  #reading: ReadableByteStreamController | undefined;
  #writable: WritableStream<BufferSource> | null = null;
  #writing: WritableStreamDefaultController | undefined;
  #writer: WritableStreamDefaultWriter<Uint8Array | string> | undefined; // of the gateway's port
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
  get connected(): boolean {
    return this.#state !== 'forgotten' && this.#owner.present(this.endpoint);
  }

  getInfo(): SerialPortInfo {
    return {};
  }

  /**
   * Opens a channel to the endpoint and sets the line. What the line said before, its scrollback, is thrown
   * away, as far as it has come when the line is set. NetworkError if the gateway refuses, or its driver does
   * not do this.
   */
  async open(options: SerialOptions): Promise<void> {
    const steps = lineSteps(options);
    if (this.#state !== 'closed') throw new DOMException('The port is already open.', 'InvalidStateError');
    this.#state = 'opening';
    this.#lost = false;
    try {
      this.#session = await this.#owner.session();
      await this.#attach(this.#session, steps);
      if (this.#state !== 'opening') throw new Error('the port was forgotten');
      this.#state = 'opened';
    } catch (error) {
      const port = this.#port;
      this.#port = undefined;
      if (this.#state === 'opening') this.#state = 'closed';
      await port?.close();
      throw network(`Failed to open serial port: ${(error as Error).message}`);
    }
  }

  /** Null while the port is not open, and after the device was lost. */
  get readable(): ReadableStream<Uint8Array> | null {
    if (this.#readable || this.#state !== 'opened' || this.#lost) return this.#readable;
    return (this.#readable = new ReadableStream(
      {
        type: 'bytes',
        start: (controller) => {
          this.#reading = controller;
        },
        cancel: async () => {
          this.#readable = null;
          this.#reading = undefined;
          await this.#order([{ flush: 'input' }]);
        },
      },
      { highWaterMark: READ_LIMIT },
    ));
  }

  /**
   * Null while the port is not open, and after the device was lost. Back-pressure is that of the line itself.
   */
  get writable(): WritableStream<BufferSource> | null {
    if (this.#writable || this.#state !== 'opened' || this.#lost) return this.#writable;
    let aborted: Promise<void> | undefined;
    let abortion: () => void;
    const aborting = new Promise<void>((done) => {
      abortion = done;
    });
    return (this.#writable = new WritableStream<BufferSource>(
      {
        start: (controller) => {
          this.#writing = controller;
          // The stream calls `abort` below only when the write or the close in progress has ended, so that
          // has to be ended here.
          controller.signal.addEventListener('abort', () => {
            aborted = this.#discard(controller.signal.reason);
            abortion();
          });
        },
        write: async (chunk) => {
          try {
            const bytes = bytesOf(chunk);
            await Promise.race([this.#ready(), aborting]);
            this.#writer ??= this.#port!.writable.getWriter();
            if (!aborted) await this.#writer.write(bytes);
          } catch (error) {
            this.#noWritable();
            throw error instanceof TypeError ? error : network((error as Error).message);
          }
        },
        // As with a real port, closing means that everything has left the line.
        close: async () => {
          try {
            await Promise.race([this.#line([], 'behind'), aborting]);
            await aborted;
          } catch (error) {
            // What is no serial line has no queue to be emptied, and after a loss there is nothing to wait
            // for.
            if ((error as ThingwayError).code !== 'unsupported' && !this.#lost)
              throw network((error as Error).message);
          } finally {
            this.#noWritable();
          }
        },
        abort: async () => {
          await aborted;
          this.#noWritable();
        },
      },
      { highWaterMark: 1 },
    ));
  }

  /**
   * Sets modem lines behind the bytes that were written before, or with `overtake` at once, so that a board
   * that takes nothing can be reset. A break is sent when it ends, with the length that it had: the board
   * times breaks by itself.
   */
  async setSignals(
    signals: SerialOutputSignals = {},
    { overtake = false }: SetSignalsOptions = {},
  ): Promise<void> {
    const { dtr, rts, hold } = outputSignals(signals);
    if (this.#state !== 'opened') throw notOpen();
    if (dtr === undefined && rts === undefined && hold === undefined)
      throw new TypeError('No signals were given.');
    const steps: LineStep[] = [];
    if (hold === true) this.#breakSince ||= performance.now();
    if (hold === false) steps.push(...this.#breakStep());
    if (dtr !== undefined || rts !== undefined)
      steps.push({ ...(dtr !== undefined && { dtr }), ...(rts !== undefined && { rts }) });
    if (!steps.length) return;
    await this.#line(steps, overtake ? 'overtaking' : 'behind').catch((error) => {
      if (error.code === 'unsupported' && this.#owner.ignoreMissing) return;
      throw network(`Failed to set control signals: ${error.message}`);
    });
  }

  /**
   * Changes the speed behind the bytes that were written before, without closing. No part of Web Serial; some
   * programs ask for it.
   */
  async setBaudRate(baudRate: number): Promise<void> {
    if (this.#state !== 'opened') throw notOpen();
    await this.#line([{ baud: baudRate }], 'behind').catch((error) => {
      throw network(error.message);
    });
  }

  async getSignals(): Promise<SerialInputSignals> {
    if (this.#state !== 'opened') throw notOpen();
    const { modem } = await this.#session!.line(this.endpoint).catch((error) => {
      throw network(error.message);
    });
    if (modem === 'unsupported') {
      if (!this.#owner.ignoreMissing) throw network('Failed to get control signals: the line has none.');
      return { dataCarrierDetect: false, clearToSend: false, ringIndicator: false, dataSetReady: false };
    }
    return {
      dataCarrierDetect: modem.dcd,
      clearToSend: modem.cts,
      ringIndicator: modem.ri,
      dataSetReady: modem.dsr,
    };
  }

  /**
   * Throws away what has not left, as a real port does: close the writer first to wait for it. TypeError
   * while a stream is locked.
   */
  async close(): Promise<void> {
    if (this.#state !== 'opened') throw notOpen();
    this.#state = 'closing';
    try {
      await Promise.all([this.#readable?.cancel(), this.#writable?.abort()]);
    } catch (error) {
      this.#state = 'opened';
      throw error;
    }
    await this.#shut('closed');
  }

  /** Closes the port even if its streams are locked: they fail. */
  async forget(): Promise<void> {
    if (this.#state === 'opened') {
      const forgotten = new DOMException('The port was forgotten.', 'InvalidStateError');
      await this.close().catch(async () => {
        await this.#discard(forgotten);
        this.#fail(forgotten);
        await this.#shut('forgotten');
      });
    }
    this.#state = 'forgotten';
    this.#owner.forget(this);
  }

  /**
   * @internal The device or the connection is gone: both streams fail, and there are no others until the port
   * is opened again.
   */
  _lost() {
    if (this.#lost || !['opening', 'opened'].includes(this.#state)) return;
    this.#lost = true;
    this.#fail(network(LOST));
    this.#port?.close();
  }

  async #attach(session: Session, steps?: LineStep[]): Promise<void> {
    const port = (this.#port = await this.#channel(session));
    let isPast = true;
    port.addEventListener('message', ({ data }) => {
      if (!isPast) this.#received(typeof data === 'string' ? new TextEncoder().encode(data) : data);
    });
    port.addEventListener('state', ({ detail }) => {
      if (detail.state === 'reopening') this._lost();
    });
    port.addEventListener('closed', ({ detail }) => {
      if (this.#port !== port) return;
      if (detail.reason === 'lagged' && this.#state === 'opened') this.#lagged(session);
      else this._lost();
    });
    if (steps) {
      await session.line(this.endpoint, steps).catch((error) => {
        // What is no serial line at all has nothing to set: the other end of a TCP bridge, for instance.
        if (!(error.code === 'unsupported' && error.step === undefined && this.#owner.ignoreMissing))
          throw error;
      });
    }
    await session.ping();
    isPast = false;
  }

  /**
   * While a device sends more than the connection carries, the gateway may close a channel as soon as it is
   * open.
   */
  async #channel(session: Session): Promise<Port> {
    for (;;) {
      try {
        const port = await session.open(this.endpoint, { split: true });
        if (port.state !== 'closed') return port;
      } catch (error) {
        if ((error as ThingwayError).code !== 'lagged') throw error;
      }
    }
  }

  /**
   * The gateway has closed the channel because this page did not keep up. The device is still there, so there
   * is another channel.
   */
  #lagged(session: Session) {
    this.#writing?.error(network('The gateway has closed the channel: it was read too slowly.'));
    this.#noWritable();
    this.#overrun();
    this.#attached = this.#attach(session).catch(() => this._lost());
  }

  /**
   * Resolves when there is a channel; while one is opened, that one may be closed as well, and another
   * follow.
   */
  async #ready() {
    let attached: Promise<unknown>;
    do await (attached = this.#attached);
    while (attached !== this.#attached);
  }

  #received(bytes: Uint8Array) {
    if (!bytes.length) return;
    void this.readable;
    if (this.#reading && this.#reading.desiredSize! < bytes.length) this.#overrun();
    this.#reading?.enqueue(bytes as Uint8Array<ArrayBuffer>);
  }

  /** Bytes are missing. The stream of now says so, and the next one goes on behind them. */
  #overrun() {
    const reading = this.#reading;
    this.#readable = null;
    this.#reading = undefined;
    reading?.error(new DOMException('Data was lost because it was not read in time.', 'BufferOverrunError'));
    void this.readable;
  }

  /** Throws away what was written and has not left. Does not wait for the device. */
  async #discard(reason: unknown): Promise<void> {
    const port = this.#port;
    if (!port || this.#lost) return;
    await (this.#writer ?? port.writable).abort(reason).catch(() => {});
  }

  #noWritable() {
    this.#writer?.releaseLock();
    this.#writer = this.#writing = undefined;
    this.#writable = null;
  }

  #fail(error: DOMException) {
    this.#reading?.error(error);
    this.#writing?.error(error);
    this.#readable = null;
    this.#reading = undefined;
    this.#noWritable();
  }

  async #shut(state: 'closed' | 'forgotten'): Promise<void> {
    await this.#order(this.#breakStep());
    const port = this.#port;
    this.#port = undefined;
    this.#readable = this.#writable = null;
    this.#state = state;
    await port?.close();
  }

  #line(steps: LineStep[], when: When): Promise<unknown> {
    const port = this.#port;
    if (port?.state !== 'open') return Promise.reject(network(LOST));
    return this.#session!.line(this.endpoint, steps, {
      port,
      ...(when === 'behind' && { after: 'sent' }),
      ...(when === 'overtaking' && { overtake: true }),
    });
  }

  /**
   * Resolves when the gateway has the script: what is in front of it may wait for a device that takes
   * nothing.
   */
  async #order(steps: LineStep[]): Promise<void> {
    if (!steps.length || this.#lost) return;
    const done = this.#line(steps, 'now').catch(() => {});
    await Promise.race([done, this.#session!.ping().catch(() => {})]);
  }

  #breakStep(): LineStep[] {
    if (!this.#breakSince) return [];
    const length = Math.min(10000, Math.max(1, Math.round(performance.now() - this.#breakSince)));
    this.#breakSince = 0;
    return [{ break_ms: length }];
  }
}
