// What the address names: a view, and the terminals that are open in it, the one in front first.
// `#/terminals/arm/gps` can be kept as a bookmark, and a page that is loaded again opens again what was open.
// This file is there before anything of the page.

export const viewIn = (hash: string): string => hash.slice(1).split('/')[1] ?? '';

/** The endpoints whose terminals the address names. Nothing is said of their being there. */
export function namedIn(hash: string): string[] {
  const [, view, ...names] = hash.slice(1).split('/');
  return view === 'terminals' ? [...new Set(names.filter(Boolean))] : [];
}

/**
 * The address follows what is open, without a step in the browser's history. One that names no view is
 * mended.
 */
export function nameInAddress(open: readonly string[]): void {
  const hash = ['#/terminals', ...open].join('/');
  const shown = location.hash;
  if (shown === hash || (!open.length && !shown)) return;
  history.replaceState(null, '', hash);
}
