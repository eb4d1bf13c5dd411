// What this device remembers. Nothing of it leaves the browser.

/** A browser may refuse storage altogether; then a choice lasts as long as the page. */
export function stored(key: string, storage: () => Storage = () => localStorage): string | null {
  try {
    return storage().getItem(`thingway.${key}`);
  } catch {
    return null;
  }
}

export function store(key: string, value: string | null, storage: () => Storage = () => localStorage): void {
  try {
    if (value === null) storage().removeItem(`thingway.${key}`);
    else storage().setItem(`thingway.${key}`, value);
  } catch {
    // It is not remembered, which is all that is lost.
  }
}
