// What a page wants of the pictures and sounds of one endpoint, and the sections of the connection of now that
// carry it. A wish outlives connections.
import type { Publication } from '../types.js';

/** Pictures or sound. */
export type Kind = 'video' | 'audio';

export abstract class Wish {
  /** The connection whose sections these are: another one after each reconnect. */
  peer: RTCPeerConnection | undefined;
  /** Whether the page has its promise kept: what fails afterwards is an event, not a rejection. */
  isKept = false;
  /** Whether its sections carry nothing any more, and it waits for the endpoint. */
  isLost = false;
  /** When the gateway is to be asked again, if it said so. */
  retry: ReturnType<typeof setTimeout> | undefined;
  protected sections: RTCRtpTransceiver[] = [];

  constructor(readonly endpoint: string) {}

  /** Adds sections to a connection, for the next offer. */
  attach(peer: RTCPeerConnection): void {
    this.peer = peer;
    this.isLost = false;
    this.sections = this.add(peer);
  }

  /** Gives the sections up, with the next offer. */
  detach(): void {
    clearTimeout(this.retry);
    // A peer connection that is closed has stopped them itself.
    if (this.peer && this.peer.signalingState !== 'closed')
      for (const section of this.sections) section.stop();
    this.sections = [];
    this.peer = undefined;
  }

  /**
   * Takes over what the last answer allows, and gives the other sections up: one that carries nothing would get
   * the track of the next offer. False: nothing is allowed.
   */
  settle(): boolean {
    const isGranted = ({ currentDirection }: RTCRtpTransceiver) => currentDirection === this.direction;
    for (const section of this.sections) if (!isGranted(section)) section.stop();
    this.sections = this.sections.filter(isGranted);
    if (this.sections.length) this.take(this.sections);
    return this.sections.length > 0;
  }

  protected abstract readonly direction: 'recvonly' | 'sendonly';
  protected abstract add(peer: RTCPeerConnection): RTCRtpTransceiver[];
  protected abstract take(granted: RTCRtpTransceiver[]): void;
}

/** To watch and hear an endpoint. */
export class Watching extends Wish {
  /** The same one for ever; its tracks are those of the connection of now. */
  readonly stream = new MediaStream();
  protected readonly direction = 'recvonly';

  constructor(
    endpoint: string,
    private kinds: () => readonly Kind[],
  ) {
    super(endpoint);
  }

  protected add(peer: RTCPeerConnection): RTCRtpTransceiver[] {
    return this.kinds().map((kind) => peer.addTransceiver(kind, { direction: this.direction }));
  }

  protected take(granted: RTCRtpTransceiver[]): void {
    const tracks = granted.map(({ receiver }) => receiver.track);
    // The new ones first: a stream without a track that lives would end the video element.
    for (const track of tracks) this.stream.addTrack(track);
    for (const track of this.stream.getTracks()) if (!tracks.includes(track)) this.stream.removeTrack(track);
  }

  override detach(): void {
    super.detach();
    for (const track of this.stream.getTracks()) track.stop();
  }
}

/** To send to an endpoint. */
export class Publishing extends Wish implements Publication {
  protected readonly direction = 'sendonly';

  constructor(
    endpoint: string,
    readonly stream: MediaStream,
    private kinds: () => readonly Kind[],
    private end: (wish: Publishing) => Promise<void>,
  ) {
    super(endpoint);
  }

  stop(): Promise<void> {
    return this.end(this);
  }

  protected add(peer: RTCPeerConnection): RTCRtpTransceiver[] {
    const kinds = this.kinds();
    const tracks = this.stream.getTracks().filter(({ kind }) => kinds.includes(kind as Kind));
    return tracks.map((track) =>
      peer.addTransceiver(track, { direction: this.direction, streams: [this.stream] }),
    );
  }

  // The tracks are the page's own, and sent already.
  protected take(): void {}
}
