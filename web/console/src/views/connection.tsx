// How this page reaches the gateway, how fast that is, and whether it is the right one.
import { useState } from 'preact/hooks';
import type { Candidate, Measurement, SessionStats } from 'thingway';
import { bytes, number, t } from '../i18n/index.ts';
import { Choice, Copyable, Trouble, useEvery, useTask } from '../parts/ui.tsx';
import { words } from '../state/failures.ts';
import { endpoints, link, session } from '../state/gateway.ts';

const PROBES = ['echo', 'source', 'sink'];

export default function Connection() {
  const [stats, setStats] = useState<SessionStats | null>(null);
  const made = session.value;
  useEvery(1000, () => {
    if (made?.state === 'connected') void made.stats().then(setStats, () => setStats(null));
    else setStats(null);
  }, [made]);
  const pair = stats?.candidatePair;
  return (
    <div class="stack">
      <h2>{t('connection')}</h2>
      <section class="card" aria-label={t('connection')}>
        <dl class="facts">
          <Fact name={t('connection.state')} value={t(`link.${link.value}`)} />
          <Fact
            name={t('connection.way')}
            value={
              pair
                ? t(pair.relayed ? 'connection.relayed' : 'connection.direct', {
                    protocol: pair.protocol.toUpperCase(),
                  })
                : '–'
            }
          />
          <Fact name={t('connection.local')} value={pair ? address(pair.local) : '–'} />
          <Fact name={t('connection.remote')} value={pair ? address(pair.remote) : '–'} />
          <Fact
            name={t('connection.round-trip')}
            value={stats?.roundTripTime == null ? '–' : `${number(stats.roundTripTime, 1)} ms`}
          />
          <Fact name={t('connection.counters')} value={stats ? counters(stats) : '–'} />
          <Fact name={t('connection.session')} value={made?.id ?? '–'} mono />
          <Fact name={t('connection.server')} value={made ? `${made.server} · ${location.host}` : '–'} />
        </dl>
        {pair?.relayed && <p class="hint">{t('connection.relayed-hint')}</p>}
        <h3>{t('connection.fingerprint')}</h3>
        {stats?.fingerprint ? (
          <Copyable text={stats.fingerprint} label={t('connection.fingerprint')} />
        ) : (
          <p>–</p>
        )}
        <p class="hint">{t('connection.fingerprint-hint')}</p>
      </section>
      <Measure />
    </div>
  );
}

function Measure() {
  const [result, setResult] = useState<Measurement | null>(null);
  const [probe, setProbe] = useState<string | null>(null);
  const task = useTask();
  const probes = [...endpoints.value.values()]
    .filter(({ kind }) => PROBES.includes(kind))
    .sort((a, b) => PROBES.indexOf(a.kind) - PROBES.indexOf(b.kind));
  const chosen = probe ?? probes[0]?.name ?? '';
  const measure = () =>
    task.run(async () => {
      setResult(null);
      setResult(
        await session.value!.measure({ pings: 50, seconds: 2, ...(chosen ? { endpoint: chosen } : {}) }),
      );
    });
  const rate = (value: number | undefined) =>
    value === undefined ? '–' : `${number(value, value < 10 ? 2 : 1)} MB/s`;
  return (
    <section class="card measure" aria-labelledby="measure-title">
      <h3 id="measure-title">{t('measure')}</h3>
      <div class="bar">
        {probes.length > 0 && (
          <Choice
            label={t('measure.with')}
            value={chosen}
            onChange={setProbe}
            options={[
              ...probes.map(({ name, kind }) => [name, `${name} (${kind})`] as const),
              ['', t('measure.pings-only')] as const,
            ]}
          />
        )}
        <button
          type="button"
          class="primary"
          disabled={task.busy || link.value !== 'connected'}
          onClick={measure}
        >
          {t(task.busy ? 'measure.busy' : 'measure.do')}
        </button>
      </div>
      <div role="status">
        {result && (
          <dl class="facts">
            <Fact name={t('measure.median')} value={`${number(result.rtt.median, 1)} ms`} />
            <Fact name={t('measure.p99')} value={`${number(result.rtt.p99, 1)} ms`} />
            {result.throughput && (
              <>
                <Fact name={t('measure.down')} value={rate(result.throughput.down)} />
                <Fact name={t('measure.up')} value={rate(result.throughput.up)} />
              </>
            )}
          </dl>
        )}
      </div>
      <Trouble words={task.trouble === null ? null : words(task.trouble)} />
      {!probes.length && (
        <>
          <p class="hint">{t('measure.no-probe')}</p>
          <Copyable label={t('add.config')} text={'[[endpoint]]\nname = "echo"\nkind = "echo"\n'} />
        </>
      )}
    </section>
  );
}

function Fact({ name, value, mono = false }: { name: string; value: string; mono?: boolean }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class={mono ? 'mono' : ''}>{value}</dd>
    </div>
  );
}

/** Those of all candidate pairs: what comes may take another pair than what goes. */
function counters({ report, bytesReceived, bytesSent }: SessionStats): string {
  const transport = [...report.values()].find(({ type }) => type === 'transport') as
    | { bytesReceived?: number; bytesSent?: number }
    | undefined;
  return `↓ ${bytes(transport?.bytesReceived ?? bytesReceived)} ↑ ${bytes(transport?.bytesSent ?? bytesSent)}`;
}

const address = ({ address: host, port, type }: Candidate) =>
  host
    ? `${host.includes(':') ? `[${host}]` : host}:${port} (${type})`
    : `${t('connection.hidden')} (${type})`;
