// The picture and the sound of an endpoint, how they arrive, and why they do not.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { number, t } from '../i18n/index.ts';
import { link } from '../state/gateway.ts';
import type { Desk } from '../state/desks.ts';
import type { Figures, Kind } from './figures.ts';
import { Sending } from './sending.tsx';
import { kindsOf, type Track, warning, whyNothing } from './tracks.ts';
import { useWatching } from './watching.ts';

export function MediaPanel({ desk: { name } }: { desk: Desk }) {
  const watching = useWatching(name);
  const { stream, trouble, tracks, states, meter, now } = watching;
  const shown = kindsOf(name, 'sends');
  const taken = kindsOf(name, 'takes');
  const isAway = link.value !== 'connected';
  const why = (kind: Kind) =>
    whyNothing(kind, {
      track: tracks[kind],
      state: states.get(kind),
      figures: meter.of(kind),
      trouble,
      began: watching.began,
      isFed: watching.isFed,
      now,
    });
  const reasons = isAway
    ? [t('desk.reopening')]
    : shown.map((kind) => why(kind) ?? warning(states.get(kind))).filter((reason) => reason !== null);
  return (
    <div class="media">
      {shown.length > 0 && (
        <Picture stream={stream} isPicture={shown.includes('video')} hasSound={shown.includes('audio')}>
          {shown.includes('video') && (isAway || why('video') !== null) && <Cover reasons={reasons} />}
        </Picture>
      )}
      {/* What covers the picture is seen; this is what is read aloud, and what is said of sound. */}
      <p class={shown.includes('video') ? 'visually-hidden why' : 'hint bar why'} role="status">
        {reasons.join(' ')}
      </p>
      {shown.map((kind) => (
        <FigureList
          key={kind}
          kind={kind}
          track={tracks[kind]}
          figures={meter.of(kind)}
          isStopped={isAway || why(kind) !== null || !meter.of(kind)?.bitrate}
          now={now}
          estimate={kind === 'video' ? watching.estimate : null}
        />
      ))}
      {taken.length > 0 && <Sending name={name} kinds={taken} />}
    </div>
  );
}

function Cover({ reasons }: { reasons: readonly string[] }) {
  return (
    <div class="cover" aria-hidden="true">
      {reasons.map((reason) => (
        <p key={reason}>{reason}</p>
      ))}
    </div>
  );
}

interface PictureProps {
  stream: MediaStream | null;
  isPicture: boolean;
  hasSound: boolean;
  children: ComponentChildren;
}

/** Browsers play what is muted by itself; sound begins when a person wants it. */
function Picture({ stream, isPicture, hasSound, children }: PictureProps) {
  const video = useRef<HTMLVideoElement>(null);
  const [isMuted, setMuted] = useState(true);
  const isConnected = link.value === 'connected';
  useEffect(() => {
    const element = video.current;
    if (!element || !stream) return;
    if (element.srcObject !== stream) element.srcObject = stream;
    // After a reconnect the stream has new tracks, and the element had come to its end.
    if (isConnected) void element.play().catch(() => {});
  }, [stream, isConnected]);
  return (
    <>
      <div class="picture" hidden={!isPicture}>
        <video ref={video} autoplay playsInline muted={isMuted} />
        {children}
      </div>
      <div class="bar">
        {hasSound && (
          <button
            type="button"
            class="small"
            aria-pressed={!isMuted}
            onClick={() => {
              setMuted(!isMuted);
              void video.current?.play().catch(() => {});
            }}
          >
            {t(isMuted ? 'media.unmute' : 'media.mute')}
          </button>
        )}
        {isPicture && document.fullscreenEnabled && (
          <button type="button" class="small" onClick={() => void video.current?.requestFullscreen()}>
            {t('media.full')}
          </button>
        )}
      </div>
    </>
  );
}

interface FigureListProps {
  kind: Kind;
  track: Track | undefined;
  figures: Figures | undefined;
  isStopped: boolean;
  now: number;
  estimate: number | null;
}

/** Dashes stand for the figures of what has stopped, so that nothing moves on the page and nothing old is read. */
function FigureList({ kind, track, figures, isStopped, now, estimate }: FigureListProps) {
  if (!figures?.since) return null;
  const { bitrate, loss, jitter, frames, size, keyframeAt } = figures;
  const rate = (value: number) => `${number(value / 1000)} kbit/s`;
  const rows: [name: string, value: string, about?: string][] = [
    [t('media.bitrate'), rate(bitrate)],
    [t('media.loss'), `${number(loss * 100, 1)} %`],
  ];
  if (jitter !== null) rows.push([t('media.jitter'), `${number(jitter, 1)} ms`]);
  if (frames !== null) rows.push([t('media.frames'), number(frames)]);
  if (size) rows.push([t('media.size'), size.join(' × ')]);
  if (keyframeAt !== null)
    rows.push([t('media.keyframe'), `${number(Math.max(0, Math.round((now - keyframeAt) / 1000)))} s`]);
  if (estimate !== null) rows.push([t('media.estimate'), rate(estimate), t('media.estimate-about')]);
  return (
    <dl class="figures" data-kind={kind}>
      <div>
        <dt>{t(`endpoint.${kind}`)}</dt>
        <dd>{track?.codec ?? ''}</dd>
      </div>
      {rows.map(([name, value, about]) => (
        <div key={name} class={about && 'wide'} title={about}>
          <dt>{name}</dt>
          <dd>{isStopped ? '–' : value}</dd>
        </div>
      ))}
    </dl>
  );
}
