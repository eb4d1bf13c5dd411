// The endpoints on one side, those that are open on the other: as tabs, or all beside each other.
import { useEffect, useRef } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import { Scroller } from '../parts/scroller.tsx';
import { desks, front } from '../state/desks.ts';
import { link } from '../state/gateway.ts';
import { isNarrow, raisesKeyboard } from '../state/settings.ts';
import { DeskPanel } from '../terminal/desk_panel.tsx';
import { split } from '../terminal/preferences.ts';
import { Endpoints } from './endpoints.tsx';

export function Terminals({ hidden }: { hidden: boolean }) {
  const work = useRef<HTMLElement>(null);
  const open = desks.value;
  const beside = split.value && open.length > 1;
  const move = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (!step) return;
    event.preventDefault();
    const at = open.findIndex(({ name }) => name === front.value);
    front.value = open[(at + step + open.length) % open.length]!.name;
    requestAnimationFrame(() =>
      work.current?.querySelector<HTMLElement>('[role=tab][aria-selected=true]')?.focus(),
    );
  };
  const reveal = () =>
    requestAnimationFrame(() => {
      const panel = work.current?.querySelector<HTMLElement>('.desk:not([hidden])');
      if (isNarrow.value) panel?.scrollIntoView({ block: 'start' });
      if (!raisesKeyboard())
        (
          panel?.querySelector<HTMLElement>('input.line') ?? panel?.querySelector<HTMLElement>('textarea')
        )?.focus({ preventScroll: true });
    });
  // The tab of what is in front is in sight, too.
  useEffect(() => {
    work.current
      ?.querySelector('[role=tab][aria-selected=true]')
      ?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }, [front.value, open.length, beside]);
  // In one column, what is in use comes first.
  const isTerminalFirst = isNarrow.value && open.length > 0;
  const list = <Endpoints key="list" onOpen={reveal} />;
  return (
    <div
      class="terminals"
      hidden={hidden}
      data-link={link.value === 'reconnecting' || link.value === 'closed' ? 'lost' : undefined}
    >
      {!isTerminalFirst && list}
      <section
        key="work"
        class="work"
        ref={work}
        aria-label={t('terminals.open')}
        data-split={beside}
        data-count={open.length}
      >
        {open.length > 1 && (
          <div class="bar tabs">
            {beside ? (
              <span class="grow" />
            ) : (
              <Scroller role="tablist" class="grow" label={t('terminals.open')} onKeyDown={move}>
                {open.map(({ name }) => (
                  <button
                    key={name}
                    type="button"
                    role="tab"
                    id={`tab-${name}`}
                    aria-controls={`panel-${name}`}
                    aria-selected={front.value === name}
                    tabIndex={front.value === name ? 0 : -1}
                    onClick={() => {
                      front.value = name;
                    }}
                  >
                    {name}
                  </button>
                ))}
              </Scroller>
            )}
            <button
              type="button"
              class="small"
              aria-pressed={split.value}
              onClick={() => {
                split.value = !split.value;
              }}
            >
              {t('terminals.split')}
            </button>
          </div>
        )}
        <div class="desks">
          {open.map((desk) => (
            <DeskPanel
              key={desk.name}
              desk={desk}
              hidden={!beside && front.value !== desk.name}
              shown={!hidden && (beside || front.value === desk.name)}
            />
          ))}
        </div>
        {!open.length && <p class="empty hint">{t('terminals.none')}</p>}
      </section>
      {isTerminalFirst && list}
    </div>
  );
}
