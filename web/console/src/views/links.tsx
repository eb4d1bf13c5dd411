// Where another device opens the gateway: links with a token or a code in them, and a QR code of one.
import { useState } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import { Choice, Copyable } from '../parts/ui.tsx';
import { QrCode } from '../parts/qr.tsx';
import { access } from '../state/access.ts';

const isLoopback = (host: string) =>
  host === 'localhost' || host.endsWith('.localhost') || /^(127\.|\[::1\]$|::1$)/.test(host);

/**
 * The addresses of the gateway for other devices, the likeliest first. None: it is not open to the network.
 */
export function origins(): string[] {
  const { hosts, port } = access.value ?? {};
  const here = isLoopback(location.hostname) ? [] : [location.origin];
  if (!port || !hosts) return here;
  // A name without a dot is known to few networks; an address of IPv6 changes often.
  const rank = (host: string) => {
    if (/^[\d.]+$/.test(host)) return 0;
    if (host.includes(':')) return 3;
    return host.includes('.') ? 1 : 2;
  };
  const sorted = [...hosts].sort((a, b) => rank(a) - rank(b));
  return [
    ...new Set([
      ...here,
      ...sorted.map((host) => `https://${host.includes(':') ? `[${host}]` : host}:${port}`),
    ]),
  ];
}

/** `fragment`: what stands behind the `#`. */
export function Links({ fragment, label }: { fragment: string; label: string }) {
  const all = origins();
  const [chosen, setChosen] = useState(all[0] ?? '');
  if (!all.length)
    return (
      <>
        <Copyable text={`#${fragment}`} label={label} />
        <Closed />
      </>
    );
  const url = `${chosen}/#${fragment}`;
  const fingerprint = access.value?.fingerprints?.tls;
  return (
    <div class="links">
      {all.length > 1 && (
        <Choice
          label={t('links.host')}
          value={chosen}
          onChange={setChosen}
          options={all.map((origin) => [origin, origin] as const)}
        />
      )}
      <Copyable text={url} label={label} />
      <QrCode text={url} label={t('links.code')} />
      {fingerprint && (
        <p class="hint">
          {t('links.fingerprint')} <code class="mono">{fingerprint}</code>
        </p>
      )}
    </div>
  );
}

/** What opens the gateway to the network. */
export function Closed() {
  return (
    <p class="hint">
      {t('links.closed')} <code>sudo thingway setup</code>
    </p>
  );
}
