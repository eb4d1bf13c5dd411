// What `navigator.serial` is, with the endpoints of a gateway as its ports.
import { connect, type ConnectOptions, type EndpointInfo, type Session } from '../index.js';
import { chooser } from './chooser.js';
import { checkFilters } from './convert.js';
import { SerialPort } from './port.js';
import type { SerialPortRequestOptions, SerialShimOptions } from './types.js';

/** Not by its class: a program that both imports and requires this package has two copies of that. */
const isSession = (source: object): source is Session => 'known' in source;

/**
 * Made by {@link createSerial}. Its events `connect` and `disconnect` have the port as their `target`, as in
 * Web Serial.
 */
export class Serial extends EventTarget {
  onconnect: ((event: Event) => void) | null = null;
  ondisconnect: ((event: Event) => void) | null = null;
  #source: Session | ({ url: string | URL } & ConnectOptions);
  #options: SerialShimOptions;
  #session: Promise<Session> | undefined;
  #now: Session | undefined;
  #ports = new Map<string, SerialPort>();
  #present = new Set<string>();

  /** @internal */
  constructor(source: Session | ({ url: string | URL } & ConnectOptions), options: SerialShimOptions) {
    super();
    this.#source = source;
    this.#options = options;
    this.addEventListener('connect', (event) => this.onconnect?.(event));
    this.addEventListener('disconnect', (event) => this.ondisconnect?.(event));
    if (isSession(source)) this.#watch(source);
  }

  /** All ports of the gateway that this session may see: its owner has granted them. */
  async getPorts(): Promise<SerialPort[]> {
    return (await this.#endpoints()).map(({ name }) => this.#port(name));
  }

  /**
   * NotFoundError if there is none, or none was chosen. Needs no gesture of the person, unlike the real one.
   */
  async requestPort(options: SerialPortRequestOptions = {}): Promise<SerialPort> {
    checkFilters(options);
    const chosen = await (this.#options.choose ?? chooser)(await this.#endpoints());
    if (!chosen) throw new DOMException('No port selected by the user.', 'NotFoundError');
    return this.#port(chosen.name);
  }

  async #endpoints(): Promise<EndpointInfo[]> {
    const session = await this.#connected();
    const all = session.state === 'connected' ? await session.endpoints() : [...session.known.values()];
    return all.filter((info) => this.#isPort(info));
  }

  #isPort(info: EndpointInfo): boolean {
    return this.#options.filter?.(info) ?? info.kind === 'serial';
  }

  #connected(): Promise<Session> {
    if (isSession(this.#source)) return Promise.resolve(this.#source);
    if (this.#now && this.#now.state !== 'closed') return Promise.resolve(this.#now);
    const { url, ...options } = this.#source;
    this.#session ??= connect(url, options)
      .then((session) => {
        this.#watch(session);
        return session;
      })
      .finally(() => {
        this.#session = undefined;
      });
    return this.#session;
  }

  #port(name: string): SerialPort {
    let port = this.#ports.get(name);
    if (port) return port;
    port = new SerialPort(
      {
        session: () => this.#connected(),
        present: (endpoint) => this.#present.has(endpoint),
        forget: (of) => {
          if (this.#ports.get(name) === of) this.#ports.delete(name);
        },
        ignoreMissing: this.#options.missingSignals === 'ignore',
      },
      name,
    );
    this.#ports.set(name, port);
    return port;
  }

  /** A port is connected while the session is connected and its endpoint is open. */
  #watch(session: Session) {
    const look = (tell = true) => {
      if (this.#now !== session) return;
      const infos = session.state === 'connected' ? [...session.known.values()] : [];
      const present = new Set(
        infos.filter((info) => info.state === 'open' && this.#isPort(info)).map(({ name }) => name),
      );
      for (const name of new Set([...this.#present, ...present])) this.#set(name, present.has(name), tell);
    };
    const isFirst = !this.#now;
    this.#now = session;
    look(!isFirst); // what is connected when the first session begins is no news
    for (const type of ['state', 'endpoint']) session.addEventListener(type, () => look());
  }

  #set(name: string, isPresent: boolean, tell: boolean) {
    if (this.#present.has(name) === isPresent) return;
    if (isPresent) this.#present.add(name);
    else this.#present.delete(name);
    if (!tell) return;
    const port = this.#port(name);
    if (!isPresent) port._lost();
    const type = isPresent ? 'connect' : 'disconnect';
    port.dispatchEvent(new Event(type, { bubbles: true }));
    const event = new Event(type, { bubbles: true });
    Object.defineProperty(event, 'target', { value: port }); // it would have bubbled up from the port
    this.dispatchEvent(event);
  }
}

/**
 * An object like `navigator.serial`, for programs that were written for it. Takes a session, or where to
 * connect to when a port is first asked for.
 */
export function createSerial(
  source: Session | ({ url: string | URL } & ConnectOptions),
  options: SerialShimOptions = {},
): Serial {
  return new Serial(source, options);
}
