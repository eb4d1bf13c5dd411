// xterm.js writes <style> elements and style="" attributes, which a Content-Security-Policy without 'unsafe-inline'
// forbids. The object model does the same and needs no permission: a sheet that is adopted, a declaration that is set.
// So the terminal is given a document that makes elements which do it that way. It asks for nothing else of ours.

/** For `ITerminalOptions.documentOverride`. */
export function strictDocument(): Document {
  return new Proxy(document, {
    get(target, property) {
      if (property === 'createElement') return createElement;
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
    set: (target, property, value) => Reflect.set(target, property, value, target),
  });
}

function createElement(name: string): HTMLElement {
  if (name === 'style') return adoptedStyle();
  const element = document.createElement(name);
  // Text with colours of its own (24 bit, search results) gets its style this way, one span for each piece.
  if (name === 'span') element.setAttribute = setAttribute;
  return element;
}

function setAttribute(this: HTMLElement, name: string, value: string): void {
  if (name === 'style') this.style.cssText = value;
  else Element.prototype.setAttribute.call(this, name, value);
}

/** Looks like a <style> to who sets its text, and takes its sheet along when it is removed. */
function adoptedStyle(): HTMLElement {
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
