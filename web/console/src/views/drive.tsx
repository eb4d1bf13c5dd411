// The panel to drive with: keyboard or gamepad, what it sends, and the dead man's state in sight.
import type { TargetedPointerEvent } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { number, t } from '../i18n/index.ts';
import { Choice, Field, Trouble, useEvery } from '../parts/ui.tsx';
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
  plan,
  start,
  stop,
  trouble,
  type Plan,
} from '../drive/drive.ts';
import { allows, get } from '../state/access.ts';
import { desks } from '../state/desks.ts';
import { endpoints, link, stops } from '../state/gateway.ts';
import { StopBar } from '../terminal/stop_bar.tsx';

interface Deadman {
  timeout_ms: number;
  armed: boolean;
  fired: number;
}

export default function Drive() {
  const pad = useRef<HTMLDivElement>(null);
  const [deadman, setDeadman] = useState<Deadman | null | undefined>(undefined); // undefined: not known yet
  const [gamepad, setGamepad] = useState<string | null>(null);
  const drivable = [...endpoints.value.values()].filter(
    ({ name, kind }) => allows(name, 'write') && kind !== 'source',
  );
  const { rate, message, stop: halt, keys } = plan.value;
  const isDrivable = (wanted: string) => drivable.some(({ name }) => name === wanted);
  const chosen = isDrivable(machine.value) ? machine.value : '';
  // Which machine it is to be is a person's choice. The one terminal that is open is such a choice, one of several is not.
  const only = desks.value.length === 1 && isDrivable(desks.value[0]!.name) ? desks.value[0]!.name : '';
  const on = driving.value === 'yes';
  const set = (change: Partial<Plan>) => {
    plan.value = { ...plan.value, ...change };
  };

  useEffect(() => {
    if (!chosen && only) machine.value = only;
  }, [chosen, only]);
  useEffect(() => () => stop('blur'), []);
  useEvery(500, () => {
    setGamepad(navigator.getGamepads?.().find((found) => found !== null)?.id ?? null);
    if (chosen && link.peek() === 'connected')
      void get<{ deadman?: Deadman }>(`/endpoints/${encodeURIComponent(chosen)}`).then(
        (found) => setDeadman(found.deadman ?? null),
        () => setDeadman(undefined),
      );
  }, [chosen]);

  const begin = () => {
    pad.current?.focus();
    void start(deadman?.timeout_ms ?? null);
  };
  const hold = (event: TargetedPointerEvent<HTMLDivElement>) => {
    if (!on || event.buttons !== 1) return;
    const circle = event.currentTarget.querySelector('.rim')!.getBoundingClientRect();
    event.currentTarget.setPointerCapture(event.pointerId);
    drag(
      ((event.clientX - circle.left) / circle.width) * 2 - 1,
      1 - ((event.clientY - circle.top) / circle.height) * 2,
    );
  };
  const { x, y } = inputs.value;
  const state = on
    ? t('drive.on', { name: chosen })
    : driving.value === 'starting'
      ? t('drive.starting')
      : ended.value
        ? t(`drive.ended-${ended.value}`)
        : t('drive.off');
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
          {/* It drives while it has the focus, so that looking elsewhere is letting go. */}
          <div
            ref={pad}
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
          <p class="state" role="status" data-on={on}>
            {state}
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
          <p class="hint">
            {gamepad
              ? t('drive.gamepad', { id: gamepad })
              : isSecureContext
                ? t('drive.no-gamepad')
                : t('drive.insecure')}
          </p>
        </section>
        <section class="card" aria-label={t('drive.state')}>
          <dl class="facts deadman" data-armed={deadman?.armed ?? false}>
            <div>
              <dt>{t('deadman')}</dt>
              <dd>
                {deadman === undefined
                  ? '–'
                  : deadman === null
                    ? t('deadman.none')
                    : t(deadman.armed ? 'deadman.armed' : 'deadman.rest')}
              </dd>
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
          <fieldset disabled={driving.value !== 'no'}>
            <legend class="visually-hidden">{t('drive.settings')}</legend>
            <div class="row">
              <Field label={t('drive.rate')}>
                <input
                  class="short"
                  type="number"
                  min="1"
                  max="100"
                  value={rate}
                  onChange={(event) =>
                    set({ rate: Math.min(100, Math.max(1, Number(event.currentTarget.value) || 20)) })
                  }
                />
              </Field>
            </div>
            <Field label={t('drive.message')}>
              <input
                class="mono"
                name="message"
                value={message}
                spellcheck={false}
                autocapitalize="off"
                onInput={(event) => set({ message: event.currentTarget.value })}
              />
            </Field>
            <p class="hint">{t('drive.message-hint')}</p>
            <Field label={t('drive.stop-message')}>
              <input
                class="mono"
                name="stop"
                value={halt}
                spellcheck={false}
                autocapitalize="off"
                onInput={(event) => set({ stop: event.currentTarget.value })}
              />
            </Field>
            <h3>{t('drive.keys')}</h3>
            {keys.map((own, i) => (
              <div key={i} class="row key">
                <Field label={t('drive.key')}>
                  <input
                    class="short mono"
                    maxLength={12}
                    value={own.key}
                    onInput={(event) =>
                      set({ keys: keys.with(i, { ...own, key: event.currentTarget.value }) })
                    }
                  />
                </Field>
                <Field label={t('drive.key-message')} class="grow">
                  <input
                    class="mono"
                    value={own.message}
                    spellcheck={false}
                    onInput={(event) =>
                      set({ keys: keys.with(i, { ...own, message: event.currentTarget.value }) })
                    }
                  />
                </Field>
                <button
                  type="button"
                  class="quiet"
                  aria-label={t('drive.key-remove', { key: own.key })}
                  onClick={() => set({ keys: keys.filter((_, other) => other !== i) })}
                >
                  ✕
                </button>
              </div>
            ))}
            <button
              type="button"
              class="small"
              onClick={() => set({ keys: [...keys, { key: 'h', message: 'horn\\n' }] })}
            >
              {t('drive.key-add')}
            </button>
          </fieldset>
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
