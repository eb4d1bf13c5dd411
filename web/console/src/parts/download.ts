// A file from the page to the person.

/** Saved as `name-2026-11-30-09-05-07.kind`. */
export function download(content: Blob, name: string, kind: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(content);
  link.download = `${name}-${new Date().toISOString().slice(0, 19).replace(/[:T]/g, '-')}.${kind}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
