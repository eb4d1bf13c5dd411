// Buttons that send this device's camera and microphone to an endpoint that takes them.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Publication } from 'thingway';
import { number, t } from '../i18n/index.ts';
import { Trouble, useEvery } from '../parts/ui.tsx';
import { words, type Words } from '../state/failures.ts';
import { link, session } from '../state/gateway.ts';
import { type Kind, sent } from './figures.ts';

/** `kinds`: what the endpoint takes. */
export function Sending({ name, kinds }: { name: string; kinds: readonly Kind[] }) {
  const [publication, setPublication] = useState<Publication | null>(null);
  const [isBusy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<Words | null>(null);
  const own = useRef<Publication | null>(null);
  const take = (made: Publication | null) => {
    own.current = made;
    setPublication(made);
  };
  // The desk is closed, or the session: a camera must not stay on.
  useEffect(() => () => void end(own.current), []);
  useEffect(() => {
    if (session.value || !own.current) return;
    void end(own.current);
    take(null);
  }, [session.value]);

  if (!isSecureContext || !navigator.mediaDevices)
    return (
      <p class="hint bar insecure">
        {t('media.insecure')} {t('try.media-insecure')}
      </p>
    );
  const sends = (kind: Kind) => publication?.stream.getTracks().some((track) => track.kind === kind) ?? false;
  const toggle = async (kind: Kind) => {
    const wanted = kinds.filter((each) => sends(each) !== (each === kind));
    setBusy(true);
    setTrouble(null);
    let stream: MediaStream | null = null;
    try {
      const made = session.peek();
      await end(own.current);
      take(null);
      if (!wanted.length || !made) return;
      stream = await navigator.mediaDevices.getUserMedia(
        Object.fromEntries(wanted.map((each) => [each, true])),
      );
      take(await made.publish(name, stream));
    } catch (error) {
      for (const track of stream?.getTracks() ?? []) track.stop();
      setTrouble(reasons(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <div class="sending">
      <div class="bar" role="group" aria-label={t('media.sending')}>
        {kinds.map((kind) => (
          <button
            key={kind}
            type="button"
            class="small"
            aria-pressed={sends(kind)}
            disabled={isBusy || link.value !== 'connected'}
            onClick={() => void toggle(kind)}
          >
            {t(sends(kind) ? `media.stop-${kind}` : `media.send-${kind}`)}
          </button>
        ))}
        {publication && <Sent stream={publication.stream} />}
      </div>
      {publication && sends('video') && <Preview stream={publication.stream} />}
      <Trouble words={trouble} onDismiss={() => setTrouble(null)} />
    </div>
  );
}

async function end(publication: Publication | null): Promise<void> {
  for (const track of publication?.stream.getTracks() ?? []) track.stop();
  await publication?.stop().catch(() => {});
}

/** What a browser says when it gives no camera and no microphone (Media Capture and Streams §10.2). */
function reasons(error: unknown): Words {
  const name = error instanceof DOMException ? error.name : '';
  if (name === 'NotAllowedError') return { what: t('media.denied'), todo: t('try.media-denied') };
  if (name === 'NotFoundError' || name === 'OverconstrainedError')
    return { what: t('media.no-device'), todo: t('try.media-no-device') };
  if (name === 'NotReadableError') return { what: t('media.in-use'), todo: t('try.media-in-use') };
  return words(error);
}

function Preview({ stream }: { stream: MediaStream }) {
  return (
    <video
      class="preview"
      aria-label={t('media.preview')}
      ref={(video) => {
        if (video && video.srcObject !== stream) video.srcObject = stream;
      }}
      autoplay
      muted
      playsInline
    />
  );
}

/** How much is sent, each second. */
function Sent({ stream }: { stream: MediaStream }) {
  const [bitrate, setBitrate] = useState<number | null>(null);
  const last = useRef({ at: 0, bytes: 0 });
  useEvery(1000, () => {
    const made = session.peek();
    if (made?.state !== 'connected') return;
    const { peerConnection } = made;
    void Promise.all(stream.getTracks().map((track) => sent(peerConnection, track))).then(
      (counts) => {
        const [at, bytes] = [performance.now(), counts.reduce((sum, count) => sum + count, 0)];
        const before = last.current;
        last.current = { at, bytes };
        if (before.at) setBitrate((Math.max(0, bytes - before.bytes) * 8000) / (at - before.at));
      },
      () => {},
    );
  }, [stream]);
  return <span class="hint">{bitrate !== null && t('media.sent', { rate: number(bitrate / 1000) })}</span>;
}
