// Driving a machine: messages at a fixed rate on a channel that loses rather than delays, and an end at every
// doubt. The dead man in the gateway watches this page; this page's own watch is that it stops when nobody
// looks.
import { signal } from '@preact/signals';
import type { Port } from 'thingway';
import { words, type Words } from '../state/failures.ts';
import { link, session, stops } from '../state/gateway.ts';
import { remembered } from '../state/settings.ts';
import { fill, isDirection, read, unescaped, type Inputs } from './messages.ts';

export interface Plan {
  rate: number;
  message: string;
  stop: string;
  keys: { key: string; message: string }[];
}
export type Ended = 'person' | 'blur' | 'hidden' | 'deadman' | 'lost';

export const plan = remembered<Plan>('drive', {
  rate: 20,
  message: 'V {x} {y}\\n',
  stop: 'stop\\n',
  keys: [],
});
/** What is driven: chosen anew in each page, so that nobody starts the machine of another day. */
export const machine = signal('');
export const driving = signal<'no' | 'starting' | 'yes'>('no');
export const ended = signal<Ended | null>(null);
export const trouble = signal<(() => Words) | null>(null);
export const inputs = signal<Inputs>({ x: 0, y: 0, axes: [], buttons: [] });
/** The last of what the machine has said while it was driven. */
export const answers = signal('');
export const counts = signal({ sent: 0, skipped: 0, heartbeats: 0 });

const held = new Set<string>();
let finger = { x: 0, y: 0 };
const NEUTRAL: Inputs = { x: 0, y: 0, axes: [], buttons: [] };
const ANSWERS = 6; // lines
const BEAT = 150; // ms; a third of the shortest time-out that is of use to a person
let fast: Port | null = null; // unordered, never sent again
let sure: Port | null = null; // for what must arrive: the stop, and what is sent once
let timer: ReturnType<typeof setInterval> | undefined;
let lastBeat = 0;

/** `timeout` of the endpoint's dead man in ms, where it has one. */
export async function start(timeout: number | null): Promise<void> {
  const { value: made } = session;
  const { rate } = plan.peek();
  const endpoint = machine.peek();
  if (!made || !endpoint || driving.peek() !== 'no') return;
  driving.value = 'starting';
  trouble.value = ended.value = null;
  counts.value = { sent: 0, skipped: 0, heartbeats: 0 };
  answers.value = '';
  letGo();
  try {
    [fast, sure] = await Promise.all([
      made.open(endpoint, { ordered: false, maxRetransmits: 0 }),
      made.open(endpoint),
    ]);
  } catch (error) {
    await release();
    driving.value = 'no';
    trouble.value = () => words(error);
    return;
  }
  // A device says the same to both; one with a conversation of its own for each channel answers where it is
  // steered.
  void sure.readable.pipeTo(new WritableStream()).catch(() => {});
  void hear(fast);
  // Whoever left while the channels opened has not seen it begin.
  if ((driving.peek() as string) !== 'starting') return void release();
  driving.value = 'yes';
  lastBeat = 0;
  const beat = timeout ? Math.min(BEAT, timeout / 3) : BEAT;
  timer = setInterval(() => tick(endpoint, beat), 1000 / rate);
  tick(endpoint, beat);
}

/**
 * Shows what the machine says, no more often than somebody reads. What it said before is not the answer to
 * anything.
 */
async function hear(port: Port): Promise<void> {
  const decoder = new TextDecoder();
  let text = '';
  let shown: ReturnType<typeof setTimeout> | undefined;
  const show = () => {
    shown = undefined;
    answers.value = text
      .split(/\r\n|\r|\n/)
      .slice(-ANSWERS)
      .join('\n');
  };
  const reader = port.readable.getReader();
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      if (fast !== port) return;
      text = (text + decoder.decode(piece.value, { stream: true })).slice(-2000);
      if (shown === undefined) shown = setTimeout(show, 100);
    }
  } catch {
    // The state says why it ended.
  } finally {
    reader.releaseLock();
  }
}

function tick(endpoint: string, beat: number): void {
  const now = performance.now();
  inputs.value = read(held, finger);
  const sent = fast?.send(fill(plan.peek().message, inputs.peek())) ?? false;
  let { heartbeats } = counts.peek();
  // Beside the code that reads the stick, so that they end together.
  if (now - lastBeat >= beat) {
    session.peek()?.heartbeat({ endpoint });
    [lastBeat, heartbeats] = [now, heartbeats + 1];
  }
  const { sent: before, skipped } = counts.peek();
  counts.value = { sent: before + Number(sent), skipped: skipped + Number(!sent), heartbeats };
}

/**
 * The stop comes first, then word to the dead man that the machine is at rest. Lost on the way, the stop arms
 * it again.
 */
export function stop(why: Ended): void {
  if (driving.peek() === 'no') return;
  clearInterval(timer);
  const was = driving.peek();
  driving.value = 'no';
  ended.value = why;
  letGo();
  inputs.value = NEUTRAL;
  if (was === 'yes' && why !== 'deadman' && why !== 'lost') {
    try {
      sure?.send(unescaped(plan.peek().stop));
      session.peek()?.heartbeat({ endpoint: machine.peek(), stop: true });
    } catch (error) {
      trouble.value = () => words(error);
    }
  }
  void release();
}

async function release(): Promise<void> {
  const ports = [fast, sure];
  fast = sure = null;
  await Promise.all(ports.map((port) => port?.close().catch(() => {})));
}

/** Where a finger or the mouse holds the stick, from -1 to 1 each way. */
export function drag(x: number, y: number): void {
  const far = Math.max(1, Math.hypot(x, y));
  if (driving.peek() === 'yes') finger = { x: x / far, y: y / far };
}
export function letGo(): void {
  finger = { x: 0, y: 0 };
  held.clear();
}

/** Whether the key has a meaning here. */
export function keyDown(event: KeyboardEvent): boolean {
  if (driving.peek() !== 'yes') return false;
  if (event.code === 'Escape' || event.code === 'Space') {
    stop('person');
    return true;
  }
  if (isDirection(event.code)) {
    held.add(event.code);
    return true;
  }
  const own = plan.peek().keys.find(({ key }) => key.toLowerCase() === event.key.toLowerCase());
  if (!own) return false;
  if (!event.repeat) sure?.send(fill(own.message, inputs.peek()));
  return true;
}
export const keyUp = (event: KeyboardEvent): void => void held.delete(event.code);

addEventListener('blur', () => stop('blur'));
addEventListener('pagehide', () => stop('hidden'));
document.addEventListener('visibilitychange', () => {
  if (document.hidden) stop('hidden');
});
link.subscribe((state) => {
  if (state !== 'connected') stop('lost');
});
stops.subscribe((all) => {
  const fired = all.get(machine.peek());
  if (fired && fired.session === session.peek()?.id) stop('deadman');
});
