// The keys of an endpoint that a person may set in the page, in the words of the configuration
// (docs/config.md). Keys that are not here stay as the file has them.
import { t, type Key } from '../i18n/index.ts';

export type Kind = 'serial' | 'tcp' | 'unix' | 'udp' | 'rtp' | 'demo' | 'echo' | 'sink' | 'source';
export const KINDS: readonly Kind[] = [
  'serial',
  'tcp',
  'unix',
  'udp',
  'rtp',
  'demo',
  'echo',
  'sink',
  'source',
];
export type Value = string | number | boolean | Settings | unknown[];
export interface Settings {
  [key: string]: Value;
}

export interface Field {
  key: string;
  label: Key;
  /** Values with their labels, the default first; else it is a text or a number. */
  options?: readonly (readonly [string | number, string])[];
  isNumber?: boolean;
  isRequired?: boolean;
  placeholder?: string;
  suggestions?: readonly string[];
}

const same = (...values: (string | number)[]) => values.map((value) => [value, String(value)] as const);
export const BAUDS = ['9600', '19200', '38400', '57600', '115200', '230400', '460800', '921600'];

const address = (placeholder: string): Field => ({
  key: 'remote',
  label: 'endpoint.remote',
  isRequired: true,
  placeholder,
});
const listen = (placeholder: string): Field => ({
  key: 'listen',
  label: 'endpoint.listen',
  isRequired: true,
  placeholder,
});

/** How a program and the gateway meet, which decides the keys of `tcp` and `unix`. */
export type Meeting = 'connect' | 'channel' | 'listen';
export const meetingOf = (settings: Settings): Meeting =>
  'listen' in settings ? 'listen' : settings.connection === 'channel' ? 'channel' : 'connect';

export function meet(settings: Settings, meeting: Meeting): Settings {
  const { remote, listen, connection: _, ...rest } = settings;
  const place = remote ?? listen ?? '';
  if (meeting === 'listen') return { ...rest, listen: place };
  return meeting === 'channel'
    ? { ...rest, remote: place, connection: 'channel' }
    : { ...rest, remote: place };
}

export function mainFields(kind: Kind, settings: Settings): Field[] {
  const meets = kind === 'tcp' ? '127.0.0.1:4000' : '/run/program.sock';
  switch (kind) {
    case 'serial':
      return [
        { key: 'path', label: 'add.path', isRequired: true, placeholder: '/dev/ttyUSB0' },
        { key: 'baud', label: 'line.baud', isNumber: true, isRequired: true, suggestions: BAUDS },
        { key: 'data_bits', label: 'endpoint.data-bits', options: same(8, 7, 6, 5) },
        { key: 'parity', label: 'endpoint.parity', options: same('none', 'even', 'odd', 'mark', 'space') },
        { key: 'stop_bits', label: 'endpoint.stop-bits', options: same(1, 2) },
        {
          key: 'flow',
          label: 'line.flow',
          options: [
            ['none', t('line.flow-none')],
            ['rts-cts', 'RTS/CTS'],
            ['xon-xoff', 'XON/XOFF'],
          ],
        },
      ];
    case 'tcp':
    case 'unix':
      return [meetingOf(settings) === 'listen' ? listen(meets) : address(meets)];
    case 'udp':
      return [
        { key: 'remote', label: 'endpoint.remote', placeholder: '127.0.0.1:14550' },
        { key: 'bind', label: 'endpoint.bind', placeholder: '0.0.0.0:14550' },
      ];
    default:
      return [];
  }
}

export type Track = 'video' | 'audio';
export const TRACKS: readonly Track[] = ['video', 'audio'];
const CODECS = {
  video: ['H264', 'H265', 'VP8', 'VP9', 'AV1'],
  audio: ['opus', 'PCMU', 'PCMA', 'G722'],
} as const;
const TRACK_PORTS = { video: '5004', audio: '5008' } as const;

/** The fields of the pictures or the sound of an endpoint. */
export const trackFields = (track: Track): Field[] => [
  { key: 'codec', label: 'endpoint.codec', options: same(...CODECS[track]) },
  { key: 'listen', label: 'endpoint.listen', placeholder: `127.0.0.1:${TRACK_PORTS[track]}` },
  { key: 'send_to', label: 'endpoint.send-to', placeholder: '127.0.0.1:5006' },
];

/** A track that a local program sends. The gateway has no default for `codec`, so it is always written. */
export const beginTrack = (track: Track): Settings => ({
  codec: CODECS[track][0],
  listen: `127.0.0.1:${TRACK_PORTS[track]}`,
});

export function setTrack(settings: Settings, track: Track, field: Field, text: string): Settings {
  const before = settings[track] as Settings;
  return { ...settings, [track]: { codec: CODECS[track][0], ...set(before, field, text) } };
}

/** Those that few need. */
export function moreFields(kind: Kind, settings: Settings): Field[] {
  if (kind === 'rtp') return [];
  const isStream = kind === 'serial' || kind === 'tcp' || kind === 'unix';
  const framing: Field[] = isStream
    ? [
        {
          key: 'framing',
          label: 'endpoint.framing',
          options: same('raw', 'line', 'idle-gap', 'slip', 'cobs', 'length'),
        },
        ...(['line', 'idle-gap', 'length'].includes(String(settings.framing))
          ? [{ key: 'gap_ms', label: 'endpoint.gap', isNumber: true } as const]
          : []),
        ...(settings.framing === 'length'
          ? [
              { key: 'length_bytes', label: 'endpoint.length-bytes', options: same(2, 1, 4) } as const,
              {
                key: 'length_order',
                label: 'endpoint.length-order',
                options: same('big', 'little'),
              } as const,
            ]
          : []),
      ]
    : [];
  const writers: Field[] =
    (isStream && meetingOf(settings) !== 'channel') || kind === 'udp'
      ? [
          {
            key: 'writers',
            label: 'endpoint.writers',
            options: [
              ['all', t('endpoint.writers-all')],
              ['one', t('endpoint.writers-one')],
            ],
          },
        ]
      : [];
  return [
    ...framing,
    ...writers,
    {
      key: 'messages',
      label: 'endpoint.messages',
      options: kind === 'demo' ? same('text', 'binary') : same('binary', 'text'),
    },
  ];
}

export const hasDeadman = (kind: Kind): boolean =>
  kind === 'serial' || kind === 'tcp' || kind === 'unix' || kind === 'udp';

/** Leaves out what is as it would be anyway. */
export function set(settings: Settings, { key, options, isNumber }: Field, text: string): Settings {
  const { [key]: _, ...rest } = settings;
  if (text === '' || text === String(options?.[0]?.[0])) return rest;
  const isNumeric = isNumber || typeof options?.[0]?.[0] === 'number';
  return { ...rest, [key]: isNumeric && /^\d+$/.test(text) ? Number(text) : text };
}

/** As a section of a configuration file (TOML 1.0). JSON writes strings as TOML reads them. */
export function toml(name: string, settings: Settings): string {
  const value = (of: Value): string => {
    if (Array.isArray(of)) return `[${of.map((one) => value(one as Value)).join(', ')}]`;
    if (typeof of !== 'object') return JSON.stringify(of);
    return `{ ${Object.entries(of)
      .map(([key, inner]) => `${key} = ${value(inner)}`)
      .join(', ')} }`;
  };
  const lines = Object.entries({ name, ...settings }).map(([key, of]) => `${key} = ${value(of)}`);
  return `${['[[endpoint]]', ...lines].join('\n')}\n`;
}
