// The panel to drive with: keyboard or gamepad, what it sends, and the dead man's state in sight.
import type { RefObject, TargetedPointerEvent } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { number, t } from '../i18n/index.ts';
import { Choice, Trouble, useEvery } from '../parts/ui.tsx';
import {
  answers,
  counts,
  drag,
  driving,
  ended,
  inputs,
  keyDown,
  keyUp,
  letGo,
  machine,
  start,
  stop,
  trouble,
} from '../drive/drive.ts';
import { allows, get } from '../state/access.ts';
import { desks } from '../state/desks.ts';
import { endpoints, link, stops } from '../state/gateway.ts';
import { StopBar } from '../terminal/stop_bar.tsx';
import { DriveSettings } from './drive_settings.tsx';

/** The dead-man switch of an endpoint, as the gateway tells of it. */
interface Deadman {
  timeout_ms: number;
  armed: boolean;
  fired: number;
}

export default function Drive() {
  const pad = useRef<HTMLDivElement>(null);
  const drivable = [...endpoints.value.values()].filter(
    ({ name, kind }) => allows(name, 'write') && kind !== 'source',
  );
  const isDrivable = (wanted: string) => drivable.some(({ name }) => name === wanted);
  const chosen = isDrivable(machine.value) ? machine.value : '';
  // Which machine it is to be is a person's choice. The one terminal that is open is such a choice, one of
  // several is not.
  const only = desks.value.length === 1 && isDrivable(desks.value[0]!.name) ? desks.value[0]!.name : '';
  const on = driving.value === 'yes';

  useEffect(() => {
    if (!chosen && only) machine.value = only;
  }, [chosen, only]);
  useEffect(() => () => stop('blur'), []);
  const { deadman, gamepad } = useMachine(chosen);

  const begin = () => {
    pad.current?.focus();
    void start(deadman?.timeout_ms ?? null);
  };
  return (
    <div class="stack drive">
      <h2>{t('drive')}</h2>
      <StopBar endpoint={chosen} />
      <div class="columns">
        <section class="card" aria-label={t('drive.pad')}>
          <Choice
            label={t('drive.endpoint')}
            value={chosen}
            disabled={driving.value !== 'no'}
            options={[['', t('drive.choose')] as const, ...drivable.map(({ name }) => [name, name] as const)]}
            onChange={(name) => {
              machine.value = name;
            }}
          />
          <Pad place={pad} />
          <p class="state" role="status" data-on={on}>
            {stateWords(chosen)}
          </p>
          <div class="bar">
            {on ? (
              <button type="button" class="danger big" onClick={() => stop('person')}>
                {t('drive.stop')}
              </button>
            ) : (
              <button
                type="button"
                class="primary big"
                disabled={
                  !chosen || link.value !== 'connected' || driving.value !== 'no' || stops.value.has(chosen)
                }
                onClick={begin}
              >
                {chosen ? t('drive.start', { name: chosen }) : t('drive.start-none')}
              </button>
            )}
          </div>
          {answers.value && (
            <pre class="answers mono" role="group" aria-label={t('drive.answers', { name: chosen })}>
              {answers.value}
            </pre>
          )}
          <p class="hint" id="drive-help">
            {t('drive.help')}
          </p>
          <p class="hint">{gamepadWords(gamepad)}</p>
        </section>
        <section class="card" aria-label={t('drive.state')}>
          <Facts deadman={deadman} />
          <DriveSettings />
        </section>
      </div>
      <Trouble
        words={trouble.value?.() ?? null}
        onDismiss={() => {
          trouble.value = null;
        }}
      />
    </div>
  );
}

/**
 * The dead-man switch of the machine (undefined: not known yet), and the gamepad that is plugged in: asked
 * twice a second.
 */
function useMachine(chosen: string) {
  const [deadman, setDeadman] = useState<Deadman | null | undefined>(undefined);
  const [gamepad, setGamepad] = useState<string | null>(null);
  useEvery(500, () => {
    setGamepad(navigator.getGamepads?.().find((found) => found !== null)?.id ?? null);
    if (chosen && link.peek() === 'connected')
      void get<{ deadman?: Deadman }>(`/endpoints/${encodeURIComponent(chosen)}`).then(
        (found) => setDeadman(found.deadman ?? null),
        () => setDeadman(undefined),
      );
  }, [chosen]);
  return { deadman, gamepad };
}

/** It drives while it has the focus, so that looking elsewhere is letting go. */
function Pad({ place }: { place: RefObject<HTMLDivElement | null> }) {
  const on = driving.value === 'yes';
  const { x, y } = inputs.value;
  const hold = (event: TargetedPointerEvent<HTMLDivElement>) => {
    if (!on || event.buttons !== 1) return;
    const circle = event.currentTarget.querySelector('.rim')!.getBoundingClientRect();
    event.currentTarget.setPointerCapture(event.pointerId);
    drag(
      ((event.clientX - circle.left) / circle.width) * 2 - 1,
      1 - ((event.clientY - circle.top) / circle.height) * 2,
    );
  };
  return (
    <div
      ref={place}
      class="pad"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: it takes the keys of the person who drives
      tabIndex={0}
      role="application"
      aria-label={t('drive.pad')}
      aria-describedby="drive-help"
      data-on={on}
      onKeyDown={(event) => {
        if (keyDown(event)) event.preventDefault();
      }}
      onKeyUp={keyUp}
      onBlur={() => stop('blur')}
      onPointerDown={hold}
      onPointerMove={hold}
      onPointerUp={letGo}
      onPointerCancel={letGo}
    >
      <svg viewBox="-1.3 -1.3 2.6 2.6" aria-hidden="true">
        <circle r="1.15" class="rim" />
        <path d="M-1.15 0h2.3M0-1.15v2.3" class="cross" />
        <circle r=".22" cx={x} cy={-y} class="knob" />
      </svg>
      <output class="mono">
        x {number(x, 2)} · y {number(y, 2)}
      </output>
    </div>
  );
}

function Facts({ deadman }: { deadman: Deadman | null | undefined }) {
  return (
    <>
      <dl class="facts deadman" data-armed={deadman?.armed ?? false}>
        <div>
          <dt>{t('deadman')}</dt>
          <dd>{deadmanWords(deadman)}</dd>
        </div>
        {deadman && (
          <div>
            <dt>{t('deadman.timeout')}</dt>
            <dd>{number(deadman.timeout_ms)} ms</dd>
          </div>
        )}
        {deadman && (
          <div>
            <dt>{t('deadman.fired')}</dt>
            <dd>{number(deadman.fired)}</dd>
          </div>
        )}
        <div>
          <dt>{t('drive.heartbeats')}</dt>
          <dd>{number(counts.value.heartbeats)}</dd>
        </div>
        <div>
          <dt>{t('drive.sent')}</dt>
          <dd>{number(counts.value.sent)}</dd>
        </div>
        <div>
          <dt>{t('drive.skipped')}</dt>
          <dd>{number(counts.value.skipped)}</dd>
        </div>
      </dl>
      {deadman === null && <p class="warning">{t('deadman.none-hint')}</p>}
    </>
  );
}

function stateWords(name: string): string {
  if (driving.value === 'yes') return t('drive.on', { name });
  if (driving.value === 'starting') return t('drive.starting');
  return ended.value ? t(`drive.ended-${ended.value}`) : t('drive.off');
}

function gamepadWords(id: string | null): string {
  if (id) return t('drive.gamepad', { id });
  return t(isSecureContext ? 'drive.no-gamepad' : 'drive.insecure');
}

function deadmanWords(deadman: Deadman | null | undefined): string {
  if (deadman === undefined) return '–';
  if (deadman === null) return t('deadman.none');
  return t(deadman.armed ? 'deadman.armed' : 'deadman.rest');
}
