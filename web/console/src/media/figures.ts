// How the pictures and the sound of an endpoint arrive, out of getStats().
export type Kind = 'video' | 'audio';

/** A track as the browser counts it. What a browser does not count is undefined. */
export interface Count {
  at: number;
  bytes: number;
  packets: number;
  lost: number;
  /** seconds */
  jitter?: number;
  frames?: number;
  keyframes?: number;
  width?: number;
  height?: number;
}

/** What a person reads. */
export interface Figures {
  /** bit/s */
  bitrate: number;
  /** The lost share of the packets, 0 to 1. */
  loss: number;
  /** ms */
  jitter: number | null;
  /** Per second. */
  frames: number | null;
  size: [number, number] | null;
  /** When the last keyframe came. */
  keyframeAt: number | null;
  /** When a frame was last shown. */
  frameAt: number | null;
  /** When the first packet came. */
  since: number | null;
}

// biome-ignore lint/suspicious/noExplicitAny: the fields of reports differ from browser to browser
type Report = Record<string, any>;

/** What was counted of a track that this page receives, or null if there is nothing yet. */
export async function received(peer: RTCPeerConnection, track: MediaStreamTrack): Promise<Count | null> {
  const report = (await peer.getStats(track)) as unknown as Map<string, Report>;
  const entry = [...report.values()].find(({ type }) => type === 'inbound-rtp');
  if (!entry) return null;
  return {
    at: performance.now(),
    bytes: entry.bytesReceived ?? 0,
    packets: entry.packetsReceived ?? 0,
    lost: Math.max(0, entry.packetsLost ?? 0),
    jitter: entry.jitter,
    frames: entry.framesDecoded,
    keyframes: entry.keyFramesDecoded,
    width: entry.frameWidth,
    height: entry.frameHeight,
  };
}

/** Bytes that this page has sent of a track. */
export async function sent(peer: RTCPeerConnection, track: MediaStreamTrack): Promise<number> {
  const report = (await peer.getStats(track)) as unknown as Map<string, Report>;
  return [...report.values()]
    .filter(({ type }) => type === 'outbound-rtp')
    .reduce((sum, { bytesSent }) => sum + (bytesSent ?? 0), 0);
}

/** Keeps the figures of the tracks: each count is compared with the one before. */
export class Meter {
  #counts = new Map<Kind, Count>();
  #figures = new Map<Kind, Figures>();

  of(kind: Kind): Figures | undefined {
    return this.#figures.get(kind);
  }

  add(kind: Kind, now: Count): void {
    const before = this.#counts.get(kind);
    const old = this.#figures.get(kind);
    this.#counts.set(kind, now);
    // Another connection counts from nothing again.
    const last =
      before && before.bytes <= now.bytes
        ? before
        : { ...now, bytes: 0, packets: 0, lost: 0, frames: 0, keyframes: 0 };
    const seconds = Math.max(0.001, (now.at - last.at) / 1000);
    const more = (field: 'bytes' | 'packets' | 'lost' | 'frames' | 'keyframes') =>
      Math.max(0, (now[field] ?? 0) - (last[field] ?? 0));
    const rate = (count: number) => (last.at === now.at ? 0 : count / seconds);
    const packets = more('packets') + more('lost');
    this.#figures.set(kind, {
      bitrate: rate(more('bytes') * 8),
      loss: packets ? more('lost') / packets : 0,
      jitter: now.jitter === undefined ? null : now.jitter * 1000,
      frames: now.frames === undefined ? null : rate(more('frames')),
      size: now.width && now.height ? [now.width, now.height] : null,
      keyframeAt: more('keyframes') ? now.at : (old?.keyframeAt ?? null),
      frameAt: more('frames') ? now.at : (old?.frameAt ?? null),
      since: old?.since ?? (now.packets ? now.at : null),
    });
  }
}
