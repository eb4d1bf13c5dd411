// The dictionaries of the Web Serial API, by the names that its specification gives them.
import type { EndpointInfo } from '../index.js';

export type ParityType = 'none' | 'even' | 'odd';
export type FlowControlType = 'none' | 'hardware';
export interface SerialOptions {
  /** 50 to 20,000,000, as far as the driver of the line does it. */
  baudRate: number;
  dataBits?: number;
  stopBits?: number;
  parity?: ParityType;
  /**
   * Taken, and without effect. What waits to be read is bounded at 16 MiB: beyond, `readable` fails with
   * BufferOverrunError and a new one goes on. What waits to be written is bounded by the gateway's credit.
   */
  bufferSize?: number;
  flowControl?: FlowControlType;
}
export interface SerialOutputSignals {
  dataTerminalReady?: boolean;
  requestToSend?: boolean;
  break?: boolean;
}
/** Options of `setSignals`: no part of Web Serial. */
export interface SetSignalsOptions {
  /**
   * At once, and not behind the bytes that were written before: what resets a board that takes nothing.
   * Default false.
   */
  overtake?: boolean;
}
export interface SerialInputSignals {
  dataCarrierDetect: boolean;
  clearToSend: boolean;
  ringIndicator: boolean;
  dataSetReady: boolean;
}
/** Always empty: the control channel does not say what hardware is behind a line. */
export interface SerialPortInfo {
  usbVendorId?: number;
  usbProductId?: number;
  bluetoothServiceClassId?: number | string;
}
export interface SerialPortFilter {
  usbVendorId?: number;
  usbProductId?: number;
  bluetoothServiceClassId?: number | string;
}
export interface SerialPortRequestOptions {
  /** Without effect: which ports there are is the gateway's configuration. */
  filters?: SerialPortFilter[];
  allowedBluetoothServiceClassIds?: (number | string)[];
}

/** Options of {@link createSerial}. */
export interface SerialShimOptions {
  /** Which endpoints are ports. Default: those of kind `serial`. */
  filter?: (endpoint: EndpointInfo) => boolean;
  /** Asks the person; null means that none was chosen. Default: the only one, or a small dialog. */
  choose?: (endpoints: EndpointInfo[]) => EndpointInfo | null | Promise<EndpointInfo | null>;
  /**
   * What `setSignals` does where there are no modem lines, as at a pseudo terminal or a TCP bridge. `reject`
   * with a NetworkError, as the specification has it (the default), or `ignore`, so that a tool that resets
   * boards goes on.
   */
  missingSignals?: 'reject' | 'ignore';
}
