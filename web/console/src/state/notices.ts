// What a person has to be told: one notice per topic, so that a trouble that repeats does not fill the page.
import { signal } from '@preact/signals';
import type { Words } from './failures.ts';

export interface Notice {
  topic: string;
  words: () => Words;
  action?: { label: () => string; run: () => void };
}

export const notices = signal<Notice[]>([]);

/** `words` is asked at each drawing, so that a notice changes its language with the page. */
export function notice(topic: string, words: () => Words, action?: Notice['action']): void {
  // Not read as a signal: an effect that tells something does not depend on what was told before.
  notices.value = [
    ...notices.peek().filter((other) => other.topic !== topic),
    { topic, words, ...(action ? { action } : {}) },
  ];
}

export function settle(topic: string): void {
  if (notices.peek().some((other) => other.topic === topic))
    notices.value = notices.peek().filter((other) => other.topic !== topic);
}
