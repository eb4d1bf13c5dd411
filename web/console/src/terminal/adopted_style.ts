// xterm.js writes <style> elements and style="" attributes, which a Content-Security-Policy without
// 'unsafe-inline' forbids. The object model does the same and needs no permission: a sheet that is adopted, a
// declaration that is set. build.mjs puts this in the place of each <style> element that xterm.js makes.

/** Looks like a <style> to who sets its text, and takes its sheet along when it is removed. */
export function adoptedStyle(): HTMLElement {
  const element = document.createElement('span');
  element.hidden = true;
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  Object.defineProperty(element, 'textContent', { set: (text: string) => sheet.replaceSync(text) });
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((adopted) => adopted !== sheet);
    Element.prototype.remove.call(element);
  };
  return element;
}
