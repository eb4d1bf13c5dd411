// EventTarget with the types of its events. No code of its own beyond one method.

/** What `addEventListener` takes. */
export type Listener<E> = ((event: E) => void) | { handleEvent(event: E): void };

/** An EventTarget whose events are known. */
export interface TypedTarget<Events> extends EventTarget {
  addEventListener<K extends keyof Events & string>(
    type: K,
    listener: Listener<Events[K]> | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<K extends keyof Events & string>(
    type: K,
    listener: Listener<Events[K]> | null,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}

/** The base class `EventTarget` under that type. */
export const typedTarget = <Events>() => EventTarget as new () => TypedTarget<Events>;

export const emit = (target: EventTarget, type: string, detail: unknown) =>
  target.dispatchEvent(new CustomEvent(type, { detail }));
