// What a desk watches: its stream, what the gateway says of the tracks, and the figures, once a second.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Bitrate, MediaInfo } from 'thingway';
import { useEvery } from '../parts/ui.tsx';
import { get } from '../state/access.ts';
import { endpoints, link, session } from '../state/gateway.ts';
import { type Kind, Meter, received } from './figures.ts';
import type { Tracks } from './tracks.ts';

const EVERY = 1000; // ms
const SELDOM = 5; // turns
const RETRY = 2000; // ms, where the gateway names no time

export interface Watching {
  stream: MediaStream | null;
  /** When there first was one. */
  began: number | null;
  /** Why there is no stream. */
  trouble: unknown;
  tracks: Tracks;
  /** Whether pictures of the source come to the gateway, as far as it was asked since they stopped here. */
  isFed: boolean;
  states: ReadonlyMap<Kind, MediaInfo>;
  /** What the connections of viewers take, as their browsers report and the source is told, in bit/s. */
  estimate: number | null;
  meter: Meter;
  now: number;
}

export function useWatching(name: string): Watching {
  const made = session.value;
  const [stream, setStream] = useState<MediaStream | null>(null);
  const [began, setBegan] = useState<number | null>(null);
  const [trouble, setTrouble] = useState<unknown>(null);
  const [attempt, setAttempt] = useState(0);
  const [tracks, setTracks] = useState<Tracks>({});
  const [states, setStates] = useState<ReadonlyMap<Kind, MediaInfo>>(new Map());
  const [estimate, setEstimate] = useState<number | null>(null);
  const [now, setNow] = useState(performance.now());
  const meter = useRef(new Meter()).current;
  const turns = useRef(0);
  const [isFed, setFed] = useState(false);
  const packets = useRef<number | null>(null); // that the gateway had when it was asked last
  const state = endpoints.value.get(name)?.state;

  useEffect(() => {
    if (!made) return;
    let isOver = false;
    let retry: ReturnType<typeof setTimeout> | undefined;
    const hear = ({ detail }: CustomEvent<MediaInfo>) => {
      if (detail.endpoint === name) setStates((old) => new Map(old).set(detail.kind, detail));
    };
    const measure = ({ detail }: CustomEvent<Bitrate>) => {
      if (detail.endpoint === name && detail.kind === 'video') setEstimate(detail.bitrate);
    };
    made.addEventListener('media', hear);
    made.addEventListener('bitrate', measure);
    made.watch(name).then(
      (watched) => {
        if (isOver) return;
        setStream(watched);
        setBegan(performance.now());
        setTrouble(null);
      },
      (error: { retryAfter?: number; status?: number }) => {
        if (isOver) return;
        setTrouble(error);
        // There may be room later. Another refusal stays until the endpoint is another one.
        if (error.retryAfter || !error.status)
          retry = setTimeout(() => setAttempt((old) => old + 1), error.retryAfter ?? RETRY);
      },
    );
    return () => {
      isOver = true;
      clearTimeout(retry);
      made.removeEventListener('media', hear);
      made.removeEventListener('bitrate', measure);
    };
  }, [made, name, attempt]);
  // An endpoint that was changed may be one that can be watched.
  useEffect(() => {
    if (trouble) setAttempt((old) => old + 1);
  }, [state]);
  // Only the end of the desk ends it: another attempt goes on with what there is.
  useEffect(
    () => () => {
      void made?.stop(name).catch(() => {});
    },
    [made, name],
  );

  useEvery(EVERY, () => {
    void measureAll(stream, meter).then(() => setNow(performance.now()));
    // What moves needs no explanation. Only what was counted after the picture had stopped says whether the
    // source has stopped as well.
    const isMoving = Boolean(meter.of('video')?.frames);
    if (isMoving) packets.current = null;
    if (isMoving && turns.current++ % SELDOM) return;
    void get<Tracks>(`/endpoints/${encodeURIComponent(name)}`).then(
      (answer) => {
        setTracks(answer);
        const before = packets.current;
        packets.current = isMoving ? null : (answer.video?.received?.packets ?? null);
        setFed(before !== null && packets.current !== null && packets.current > before);
      },
      () => {},
    );
  }, [stream, meter, name, link.value]);
  return { stream, began, trouble, tracks, isFed, states, estimate, meter, now };
}

async function measureAll(stream: MediaStream | null, meter: Meter): Promise<void> {
  const made = session.peek();
  if (made?.state !== 'connected' || !stream) return;
  for (const track of stream.getTracks()) {
    const count = await received(made.peerConnection, track).catch(() => null);
    if (count) meter.add(track.kind as Kind, count);
  }
}
