// Asks for a token, where the gateway wants one.
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import { Check, Field, Trouble, useTask } from '../parts/ui.tsx';
import { enter, Refusal, signIn, token, useToken } from '../state/access.ts';
import { words } from '../state/failures.ts';
import { start } from '../state/gateway.ts';

export function SignIn() {
  const input = useRef<HTMLInputElement>(null);
  const [text, setText] = useState('');
  const [remember, setRemember] = useState(false);
  const task = useTask();
  useLayoutEffect(() => input.current?.focus(), []);
  const submit = () =>
    task.run(async () => {
      // A person may paste the whole link that they were given.
      const given = text.trim().replace(/^.*#token=/, '');
      const before = token.peek();
      useToken(given, remember);
      try {
        await enter();
      } catch (error) {
        useToken(error instanceof Refusal && error.status === 401 ? null : before, false);
        throw error;
      }
      void start();
    });
  const reason = signIn.value;
  // That none was sent is how everybody begins, and no fault.
  const first = reason && reason.word !== 'token-missing' ? words(reason) : null;
  return (
    <main class="sign-in" id="view">
      <form
        class="card"
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <h1>{t('sign-in')}</h1>
        <p>{t('sign-in.why')}</p>
        <Field label={t('sign-in.token')}>
          <input
            ref={input}
            class="mono"
            type="password"
            required
            autocomplete="off"
            autofocus
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </Field>
        <Check label={t('sign-in.remember')} checked={remember} onChange={setRemember} />
        <div class="row">
          <button type="submit" class="primary" disabled={task.busy}>
            {t('sign-in.do')}
          </button>
        </div>
        <Trouble words={task.trouble !== null ? words(task.trouble) : first} />
        <p class="hint">
          {t('sign-in.how')} <code>thingway token add NAME</code>
        </p>
      </form>
    </main>
  );
}
