// The settings of one endpoint: a new one, or one that was added in the page before.
import { isKey, t } from '../i18n/index.ts';
import { Check, Choice, Copyable, Field, Trouble, useTask } from '../parts/ui.tsx';
import { access, Refusal, request } from '../state/access.ts';
import { words, type Words } from '../state/failures.ts';
import {
  beginTrack,
  hasDeadman,
  KINDS,
  mainFields,
  meet,
  meetingOf,
  moreFields,
  set,
  setTrack,
  toml,
  trackFields,
  TRACKS,
  type Field as Described,
  type Kind,
  type Meeting,
  type Settings,
  type Track,
} from './endpoint_fields.ts';

const DEADMAN = { timeout_ms: 500, send: '' };

export function EndpointForm({
  name,
  settings,
  onName,
  onSettings,
  isNew,
  onDone,
}: {
  name: string;
  settings: Settings;
  onName: (name: string) => void;
  onSettings: (settings: Settings) => void;
  isNew: boolean;
  onDone: (name: string | null) => void;
}) {
  const task = useTask();
  const mayWrite = access.value?.configure !== false;
  const kind = settings.kind as Kind;
  const deadman = settings.deadman as { timeout_ms?: number; send?: string } | undefined;
  const save = () =>
    task.run(async () => {
      await request('PUT', `/endpoints/${encodeURIComponent(name)}`, settings);
      onDone(name);
    });
  const more = moreFields(kind, settings);
  const field = (of: Described) => (
    <One
      key={of.key}
      field={of}
      settings={settings}
      onChange={(text) => onSettings(set(settings, of, text))}
    />
  );
  return (
    <form
      class="endpoint-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (mayWrite) save();
      }}
    >
      <div class="row">
        {isNew && (
          <Choice<Kind>
            label={t('endpoint.kind')}
            value={kind}
            onChange={(chosen) => onSettings(begin(chosen))}
            options={KINDS.map((one) => [one, kindWords(one)] as const)}
          />
        )}
        {isNew && (
          <Field label={t('add.name')}>
            <input
              required
              pattern="[A-Za-z0-9_\-][A-Za-z0-9._\-]{0,63}"
              title={t('add.name-rule')}
              value={name}
              onInput={(event) => onName(event.currentTarget.value)}
              spellcheck={false}
              autocapitalize="off"
            />
          </Field>
        )}
        {(kind === 'tcp' || kind === 'unix') && (
          <Choice<Meeting>
            label={t('endpoint.meeting')}
            value={meetingOf(settings)}
            onChange={(meeting) => onSettings(meet(settings, meeting))}
            options={[
              ['connect', t('endpoint.meeting-connect')],
              ['channel', t('endpoint.meeting-channel')],
              ['listen', t('endpoint.meeting-listen')],
            ]}
          />
        )}
        {mainFields(kind, settings).map(field)}
      </div>
      {kind === 'rtp'
        && TRACKS.map((track) => (
          <OneTrack key={track} track={track} settings={settings} onSettings={onSettings} />
        ))}
      <details hidden={more.length === 0}>
        <summary>{t('more')}</summary>
        <div class="row">{more.map(field)}</div>
        {hasDeadman(kind) && (
          <Check
            label={t('endpoint.deadman')}
            checked={deadman !== undefined}
            onChange={(on) => {
              const { deadman: _, ...rest } = settings;
              onSettings(on ? { ...rest, deadman: DEADMAN } : rest);
            }}
          />
        )}
        {deadman && 'send_hex' in deadman === false && (
          <div class="row">
            <Field label={t('endpoint.deadman-timeout')}>
              <input
                type="number"
                required
                min="20"
                max="600000"
                value={deadman.timeout_ms}
                onInput={(event) =>
                  onSettings({
                    ...settings,
                    deadman: { ...deadman, timeout_ms: Number(event.currentTarget.value) },
                  })
                }
              />
            </Field>
            <Field label={t('endpoint.deadman-send')}>
              <input
                class="mono"
                required
                spellcheck={false}
                autocapitalize="off"
                value={shown(deadman.send ?? '')}
                onInput={(event) =>
                  onSettings({ ...settings, deadman: { ...deadman, send: read(event.currentTarget.value) } })
                }
              />
            </Field>
          </div>
        )}
      </details>
      {mayWrite ? (
        <div class="row">
          <button type="submit" class="primary" disabled={task.busy}>
            {t(isNew ? 'add.do' : 'endpoint.save')}
          </button>
        </div>
      ) : (
        <Copyable text={toml(name, settings)} label={t('add.config')} />
      )}
      <Trouble words={task.trouble === null ? null : advice(task.trouble)} />
    </form>
  );
}

/** The pictures or the sound of an endpoint, which may be left out. */
function OneTrack({
  track,
  settings,
  onSettings,
}: {
  track: Track;
  settings: Settings;
  onSettings: (settings: Settings) => void;
}) {
  const present = settings[track] as Settings | undefined;
  return (
    <>
      <Check
        label={t(`endpoint.${track}`)}
        checked={present !== undefined}
        onChange={(on) => {
          const { [track]: _, ...rest } = settings;
          onSettings(on ? { ...rest, [track]: beginTrack(track) } : rest);
        }}
      />
      {present && (
        <div class="row" role="group" aria-label={t(`endpoint.${track}`)}>
          {trackFields(track).map((of) => (
            <One
              key={of.key}
              field={of}
              settings={present}
              onChange={(text) => onSettings(setTrack(settings, track, of, text))}
            />
          ))}
        </div>
      )}
    </>
  );
}

function One({
  field,
  settings,
  onChange,
}: {
  field: Described;
  settings: Settings;
  onChange: (text: string) => void;
}) {
  const { key, label, options, isNumber, isRequired, placeholder, suggestions } = field;
  const value = settings[key] === undefined ? '' : String(settings[key]);
  if (options)
    return (
      <Choice
        label={t(label)}
        value={value || String(options[0]![0])}
        onChange={onChange}
        options={options.map(([option, text]) => [String(option), text] as const)}
      />
    );
  return (
    <Field label={t(label)}>
      <input
        required={isRequired}
        placeholder={placeholder}
        inputMode={isNumber ? 'numeric' : undefined}
        pattern={isNumber ? '[0-9]{1,8}' : undefined}
        list={suggestions && `list-${key}`}
        value={value}
        onInput={(event) => onChange(event.currentTarget.value)}
        spellcheck={false}
        autocapitalize="off"
      />
      {suggestions && (
        <datalist id={`list-${key}`}>
          {suggestions.map((one) => (
            <option key={one} value={one} />
          ))}
        </datalist>
      )}
    </Field>
  );
}

/** What a new endpoint of a kind begins with. */
export function begin(kind: Kind): Settings {
  if (kind === 'serial') return { kind, baud: 115200 };
  return kind === 'rtp' ? { kind, video: beginTrack('video') } : { kind };
}

function kindWords(kind: Kind): string {
  const key = `kind.${kind}`;
  return isKey(key) ? t(key) : kind;
}

/** Control characters are written as in the configuration. */
const shown = (text: string) => JSON.stringify(text).slice(1, -1).replace(/\\"/g, '"');
function read(text: string): string {
  try {
    return JSON.parse(`"${text.replace(/(^|[^\\])"/g, '$1\\"')}"`) as string;
  } catch {
    return text; // in the middle of an escape
  }
}

/** A path that another endpoint has is not a matter of files. */
function advice(error: unknown): Words {
  const said = words(error);
  const other =
    error instanceof Refusal && error.status === 409
      ? /endpoint (\S+) has this path/.exec(error.detail)?.[1]
      : undefined;
  return other === undefined
    ? said
    : { what: t('why.same-path', { name: other }), todo: t('try.same-path', { name: other }) };
}
