// Credit, backoff and what waits to be read: pure logic.
import { describe, expect, test, vi } from 'vitest';
import { backoff, Wait } from '../src/backoff.js';
import { Credit } from '../src/credit.js';
import { Inbox } from '../src/inbox.js';

describe('credit', () => {
  test('is nothing before the first grant', () => {
    const credit = new Credit();
    expect([credit.left, credit.granted, credit.unconfirmed]).toEqual([0, false, 0]);
  });
  test('counts down to the limit, and grows with grants only', () => {
    const credit = new Credit();
    credit.grant(1000);
    credit.sent = 600;
    expect(credit.left).toBe(400);
    credit.grant(900); // late
    expect(credit.left).toBe(400);
    credit.grant(1500);
    expect(credit.left).toBe(900);
    credit.sent = 1600;
    expect(credit.left).toBe(0);
  });
  test('knows what the gateway may still hold: all that was sent beyond the limit less the window', () => {
    const credit = new Credit();
    credit.grant(1000);
    credit.sent = 700;
    expect(credit.unconfirmed).toBe(700);
    credit.grant(1600); // 600 have left the queue
    expect(credit.unconfirmed).toBe(100);
    credit.grant(1700);
    expect(credit.unconfirmed).toBe(0);
  });
  test('of an unreliable channel says nothing of losses', () => {
    const credit = new Credit();
    credit.grant(Number.MAX_SAFE_INTEGER);
    credit.sent = 5000;
    expect(credit.unconfirmed).toBe(0);
    expect(credit.left).toBeGreaterThan(1e15);
  });
});

describe('backoff', () => {
  test('doubles up to its limit, give or take a quarter', () => {
    const middle = () => 0.5;
    expect([1, 2, 3, 4, 5, 6, 7, 1000].map((attempt) => backoff(attempt, 500, 10000, middle))).toEqual([
      500, 1000, 2000, 4000, 8000, 10000, 10000, 10000,
    ]);
    expect(backoff(1, 500, 10000, () => 0)).toBe(375);
    expect(backoff(1, 500, 10000, () => 0.999999)).toBe(625);
  });
  test('a wait ends by itself, early when it is woken, and at once when the machine is online', async () => {
    vi.useFakeTimers();
    vi.stubGlobal('addEventListener', target.addEventListener.bind(target));
    vi.stubGlobal('removeEventListener', target.removeEventListener.bind(target));
    const wait = new Wait();
    let over = 0;
    wait.until(1000).then(() => {
      over++;
    });
    await vi.advanceTimersByTimeAsync(999);
    expect(over).toBe(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(over).toBe(1);
    wait.until(1000).then(() => {
      over++;
    });
    wait.wake();
    await vi.advanceTimersByTimeAsync(0);
    expect(over).toBe(2);
    wait.until(1000).then(() => {
      over++;
    });
    target.dispatchEvent(new Event('online'));
    await vi.advanceTimersByTimeAsync(0);
    expect(over).toBe(3);
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });
  const target = new EventTarget();
});

describe('what was received', () => {
  const text = (value: Uint8Array | undefined) => new TextDecoder().decode(value);
  test('is kept for the first reader, text as UTF-8', async () => {
    const inbox = new Inbox(1000);
    inbox.push('grüezi');
    inbox.push(Uint8Array.of(33));
    const reader = inbox.readable.getReader();
    expect(text((await reader.read()).value)).toBe('grüezi');
    expect(text((await reader.read()).value)).toBe('!');
    inbox.end();
    expect((await reader.read()).done).toBe(true);
  });
  test('is kept up to a MiB, the newest', async () => {
    const inbox = new Inbox(1 << 24);
    for (let i = 0; i < 300; i++) inbox.push(new Uint8Array(4096).fill(i));
    inbox.end();
    const reader = inbox.readable.getReader();
    const { value } = await reader.read();
    expect(value![0]).toBe(300 - 256);
  });
  test('beyond the limit is too much', () => {
    const inbox = new Inbox(10);
    void inbox.readable;
    expect(inbox.push(new Uint8Array(10))).toBe(true);
    expect(inbox.push(new Uint8Array(1))).toBe(false);
  });
  test('is not kept once a listener has it', async () => {
    const inbox = new Inbox(10);
    inbox.push('a');
    expect(inbox.takeKept()).toEqual(['a']);
    inbox.push('b');
    inbox.end(new Error('lost'));
    await expect(inbox.readable.getReader().read()).rejects.toThrow('lost');
  });
  test('after a cancel there is another stream', async () => {
    const inbox = new Inbox(10);
    const first = inbox.readable;
    await first.cancel();
    inbox.push('nobody');
    expect(inbox.readable).not.toBe(first);
    inbox.push('b');
    expect(text((await inbox.readable.getReader().read()).value)).toBe('b');
  });
});
