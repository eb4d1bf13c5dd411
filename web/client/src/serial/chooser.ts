// The smallest chooser that a person can use: a dialog with one button per port. No style of its own.
import type { EndpointInfo } from '../index.js';

export function chooser(endpoints: EndpointInfo[]): EndpointInfo | null | Promise<EndpointInfo | null> {
  if (endpoints.length < 2 || typeof HTMLDialogElement === 'undefined') return endpoints[0] ?? null;
  return new Promise((done) => {
    const dialog = document.createElement('dialog');
    const title = document.createElement('p');
    title.textContent = 'Which serial port?';
    dialog.setAttribute('aria-label', title.textContent);
    dialog.append(title);
    let chosen: EndpointInfo | null = null;
    for (const endpoint of [...endpoints, null]) {
      const button = document.createElement('button');
      button.textContent = endpoint
        ? endpoint.name + (endpoint.state === 'open' ? '' : ` (${endpoint.state})`)
        : 'Cancel';
      button.onclick = () => {
        chosen = endpoint;
        dialog.close();
      };
      dialog.append(button, ' ');
    }
    dialog.onclose = () => {
      dialog.remove();
      done(chosen);
    };
    document.body.append(dialog);
    dialog.showModal();
  });
}
