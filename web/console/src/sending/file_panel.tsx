// Sends a file: which, how, and how far it is.
import { useState } from 'preact/hooks';
import { bytes, number, t } from '../i18n/index.ts';
import { Choice, Field, useEvery } from '../parts/ui.tsx';
import { allows } from '../state/access.ts';
import type { Desk } from '../state/desks.ts';
import { endingOptions } from '../terminal/line_input.tsx';
import { planOf, Transfer, transferOf, type Plan } from './transfer.ts';

const LONG = 2000; // ms without an answer after which a person is offered to go on

export function FilePanel({ desk }: { desk: Desk }) {
  const [file, setFile] = useState<File | null>(null);
  const plan = planOf(desk);
  const { mode, wait, pause, answer } = plan.value;
  const set = (change: Partial<Plan>) => {
    plan.value = { ...plan.value, ...change };
  };
  const transfer = transferOf(desk).value;
  const isSending = transfer?.state.value === 'sending';
  const send = () => {
    if (file) transferOf(desk).value = new Transfer(desk, file, plan.peek());
  };
  return (
    <section class="card file-panel" aria-label={t('file.title', { name: desk.name })}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        <fieldset class="row" disabled={isSending}>
          <Field label={t('file.choose')} class="grow">
            <input
              type="file"
              required
              onChange={(event) => setFile(event.currentTarget.files?.[0] ?? null)}
            />
          </Field>
          <Choice<Plan['mode']>
            label={t('file.how')}
            value={mode}
            options={[
              ['bytes', t('file.bytes')],
              ['lines', t('file.lines')],
            ]}
            onChange={(chosen) => set({ mode: chosen })}
          />
          {mode === 'lines' && (
            <>
              <Choice
                label={t('input.ending')}
                value={desk.habits.value.ending}
                options={endingOptions()}
                onChange={(ending) => {
                  desk.habits.value = { ...desk.habits.value, ending };
                }}
              />
              <Choice<Plan['wait']>
                label={t('file.wait')}
                value={wait}
                options={[
                  ['answer', t('file.wait-answer')],
                  ['pause', t('file.wait-pause')],
                  ['no', t('file.wait-no')],
                ]}
                onChange={(chosen) => set({ wait: chosen })}
              />
              {wait === 'answer' && (
                <Field label={t('file.answer')}>
                  <input
                    class="mono"
                    required
                    maxLength={100}
                    value={answer}
                    spellcheck={false}
                    autocapitalize="off"
                    onInput={(event) => set({ answer: event.currentTarget.value })}
                  />
                </Field>
              )}
              {wait === 'pause' && (
                <Field label={t('file.pause')}>
                  <input
                    type="number"
                    required
                    min="0"
                    max="600000"
                    value={pause}
                    onInput={(event) => set({ pause: Number(event.currentTarget.value) })}
                  />
                </Field>
              )}
            </>
          )}
          <button
            type="submit"
            class="primary"
            disabled={!file || desk.state.value !== 'open' || !allows(desk.name, 'write')}
          >
            {t('file.send')}
          </button>
        </fieldset>
      </form>
      {transfer && <Progress key={transfer.begun} transfer={transfer} />}
      <p class="hint">{t('file.hint')}</p>
    </section>
  );
}

function Progress({ transfer }: { transfer: Transfer }) {
  const [, redraw] = useState(0);
  const state = transfer.state.value;
  useEvery(200, () => redraw((times) => times + 1), [transfer]);
  const { file, sent, line, lines, waiting, plan } = transfer;
  const seconds = ((transfer.ended ?? performance.now()) - transfer.begun) / 1000;
  const far = t('file.far', {
    sent: bytes(sent),
    size: bytes(file.size),
    rate: bytes(Math.round(sent / Math.max(seconds, 0.1))),
  });
  const isSilent = waiting !== null && plan.wait === 'answer' && performance.now() - waiting > LONG;
  return (
    <div class="progress" data-state={state}>
      <progress
        aria-label={t('file.progress', { file: file.name })}
        max={file.size || 1}
        value={file.size ? sent : 1}
      />
      <div class="bar">
        <p class="grow">
          <b>{file.name}</b> {far}
          {lines !== null && `, ${t('file.far-lines', { line: number(line), lines: number(lines) })}`}
        </p>
        {isSilent && (
          <button type="button" class="small" onClick={() => transfer.skip()}>
            {t('file.skip')}
          </button>
        )}
        {state === 'sending' && (
          <button type="button" class="small danger" onClick={() => transfer.cancel()}>
            {t('cancel')}
          </button>
        )}
      </div>
      <p role="status" class="hint">
        {isSilent ? t('file.silent', { answer: plan.answer }) : state === 'sending' ? '' : t(`file.${state}`)}
      </p>
    </div>
  );
}
