// Says that what comes is no text, and what may be the reason.
import { useState } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import type { Noise } from './noise.ts';

const USUAL = '9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600';

/** `onLine` opens the settings of a serial line; null while they are open. */
export function NoiseBar({
  noise,
  isSerial,
  onLine,
}: {
  noise: Noise;
  isSerial: boolean;
  onLine: (() => void) | null;
}) {
  const [dismissed, setDismissed] = useState(false);
  const isNoisy = noise.isNoisy.value && !dismissed;
  return (
    <div class="noise" role="status">
      {isNoisy && (
        <div class="trouble">
          <p>
            <b>{t('noise')}</b> {isSerial ? t('noise.serial', { rates: USUAL }) : t('noise.other')}
          </p>
          {isSerial && onLine && (
            <button type="button" class="small" onClick={onLine}>
              {t('noise.line')}
            </button>
          )}
          <button type="button" class="quiet" aria-label={t('dismiss')} onClick={() => setDismissed(true)}>
            ✕
          </button>
        </div>
      )}
    </div>
  );
}
