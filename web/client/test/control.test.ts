// Which answer belongs to which question, on a channel that names no question in its errors.
import { describe, expect, test } from 'vitest';
import { Control } from '../src/control.js';
import { ThingwayError } from '../src/errors.js';

function control() {
  // biome-ignore lint/suspicious/noExplicitAny: messages of any type
  const sent: any[] = [];
  const stray: ThingwayError[] = [];
  const of = new Control(
    (text) => sent.push(JSON.parse(text)),
    (error) => stray.push(error),
  );
  const pong = (at: number) =>
    of.heard({ type: 'pong', id: sent.filter(({ type }) => type === 'ping')[at].id });
  return { of, sent, stray, pong };
}
const code = (promise: Promise<unknown>) =>
  promise.then(
    () => 'fulfilled',
    (error) => error.code,
  );

describe('the control channel', () => {
  test('a line script is answered by its id, in any order', async () => {
    const { of, sent, pong } = control();
    const first = of.line({ endpoint: 'a', do: [] });
    const second = of.line({ endpoint: 'b', do: [] });
    const [one, , two] = sent;
    expect(one).toEqual({ type: 'line', id: one.id, endpoint: 'a', do: [] });
    pong(0);
    pong(1);
    of.heard({ type: 'line', id: two.id, ok: false, step: 3, reason: 'busy', detail: 'later' });
    of.heard({ type: 'line', id: one.id, ok: true, line: { baud: 9600 } });
    await expect(first).resolves.toEqual({ baud: 9600 });
    await expect(second).rejects.toMatchObject({
      code: 'busy',
      step: 3,
      message: 'later',
      name: 'ThingwayError',
    });
  });
  test('an error belongs to the oldest question without its pong', async () => {
    const { of, stray, pong } = control();
    const first = of.ask({ type: 'lease', do: 'take' });
    const second = of.ask({ type: 'lease', do: 'release' });
    pong(0);
    of.heard({ type: 'error', reason: 'lease-held', detail: '' });
    pong(1);
    expect(await code(first)).toBe('fulfilled');
    expect(await code(second)).toBe('lease-held');
    expect(stray).toEqual([]);
  });
  test("an error of a message that is no question is nobody's, even before a question", async () => {
    const { of, sent, stray, pong } = control();
    of.tell({ type: 'heartbeat' });
    const question = of.ask({ type: 'lease', do: 'take' });
    expect(sent.map(({ type }) => type)).toEqual(['heartbeat', 'ping', 'lease', 'ping']);
    of.heard({ type: 'error', reason: 'unknown-endpoint', detail: '' });
    pong(0);
    pong(1);
    expect(await code(question)).toBe('fulfilled');
    expect(stray.map((error) => error.code)).toEqual(['unknown-endpoint']);
  });
  test('pongs that were left out are answered by a later one', async () => {
    const { of, pong } = control();
    const pings = [of.ping(), of.ping(), of.ping()];
    pong(2);
    expect((await Promise.all(pings)).every((ms) => ms >= 0)).toBe(true);
  });
  test('what a script that is no script gets is an error, not a line', async () => {
    const { of } = control();
    const line = of.line({ endpoint: 'a', after: -1 });
    of.heard({ type: 'error', reason: 'bad-request', detail: 'after' });
    of.heard({ type: 'pong', id: 2 });
    expect(await code(line)).toBe('bad-request');
  });
  test('too long is said here: the gateway could not say of which message', async () => {
    const { of, sent } = control();
    expect(await code(of.ask({ type: 'x', text: 'ü'.repeat(2100) }))).toBe('too-large');
    expect(sent).toEqual([]);
  });
  test('everything that waits fails with the connection, and nothing can be sent then', async () => {
    const { of } = control();
    const waiting = [of.ping(), of.line({ endpoint: 'a' }), of.endpoints(), of.ask({ type: 'lease' })];
    of.end(new ThingwayError('connection-lost'));
    for (const promise of [...waiting, of.ping(), of.endpoints()])
      expect(await code(promise)).toBe('connection-lost');
  });
  test('what is no answer is passed on', () => {
    const { of } = control();
    expect(of.heard({ type: 'something', new: true })).toBe(false);
    expect(of.heard({ type: 'pong', id: 99 })).toBe(true);
  });
});
