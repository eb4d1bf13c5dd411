// The tracks of an endpoint: what the gateway says of them, and why there is nothing to see or to hear.
import type { MediaInfo } from 'thingway';
import { duration, t } from '../i18n/index.ts';
import { allows } from '../state/access.ts';
import { words } from '../state/failures.ts';
import { endpoints } from '../state/gateway.ts';
import type { Figures, Kind } from './figures.ts';

/** A track in `GET /endpoints/{name}`. */
export interface Track {
  codec: string;
  state?: string;
  why?: string | null;
  /** What has come from the source to the gateway. */
  received?: { packets: number };
}
export type Tracks = { [kind in Kind]?: Track };

/** The kinds that this page may watch or send, as far as it can know. */
export function kindsOf(name: string, way: 'sends' | 'takes'): readonly Kind[] {
  if (!allows(name, way === 'sends' ? 'read' : 'write')) return [];
  const { media = [], takes = [] } = endpoints.value.get(name) ?? {};
  return way === 'sends' ? media : takes;
}

/** Whether the browser can decode it. One that does not tell may. */
function isKnown(kind: Kind, codec: string): boolean {
  const known = RTCRtpReceiver.getCapabilities?.(kind)?.codecs;
  return !known || known.some(({ mimeType }) => mimeType.toLowerCase() === `${kind}/${codec}`.toLowerCase());
}

const LATE = 1500; // ms without a frame that a person notices

/** What is known of a track. `trouble`: what refused to show it. */
interface Known {
  track: Track | undefined;
  state: MediaInfo | undefined;
  figures: Figures | undefined;
  trouble: unknown;
  /** When the gateway has agreed to show it. */
  began: number | null;
  /** Whether the gateway still receives packets of the source. */
  isFed: boolean;
  now: number;
}

/** Why a track has nothing to see or to hear now, as one sentence; null: it has. */
export function whyNothing(
  kind: Kind,
  { track, state, figures, trouble, began, isFed, now }: Known,
): string | null {
  if (track && !isKnown(kind, track.codec)) return t('media.no-codec', { codec: track.codec });
  if (state?.state === 'refused') return t('media.refused', { why: state.detail });
  if (track?.why) return t('media.silent', { why: track.why });
  if (trouble) {
    const { code, message } = trouble as { code?: string; message: string };
    return code === 'refused' ? t('media.refused', { why: message }) : words(trouble).what;
  }
  if (state?.state === 'absent') return t('media.silent', { why: state.detail });
  if (kind === 'audio') return null;
  if (began === null) return t('media.coming');
  const shown = figures?.frameAt ?? null;
  const away = now - (shown ?? began);
  if (away <= LATE) return shown === null ? t('media.coming') : null;
  // Packets come, and are of no use: nothing can be decoded before a keyframe. The gateway keeps them back until
  // there is one.
  if (isFed || figures?.bitrate)
    return t('media.no-keyframe', { time: duration(Math.round(away / 1000) * 1000) });
  // The source is silent, and the gateway waits for a while before it says so.
  return t(shown === null ? 'media.coming' : 'media.stopped');
}

/** What is worth knowing although there is a picture. */
export const warning = (state?: MediaInfo): string | null =>
  state?.state === 'thinned' ? t('media.thinned', { why: state.detail }) : null;
