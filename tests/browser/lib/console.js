// What a person does with the console.
import { until } from './until.js';

/**
 * Puts `change` between the gateway and the page, before it is opened: a function, run in the page, that
 * takes each text of the gateway and returns what the page hears instead, or null for nothing.
 */
export function alterTexts(page, change) {
  const alter = (changed) => {
    const { get, set } = Object.getOwnPropertyDescriptor(RTCDataChannel.prototype, 'onmessage');
    const altered = (heard) => (event) => {
      if (typeof event.data !== 'string') return heard(event);
      const data = changed(event.data);
      if (data !== null) heard(new MessageEvent('message', { data }));
    };
    Object.defineProperty(RTCDataChannel.prototype, 'onmessage', {
      get,
      set(heard) {
        set.call(this, heard && altered(heard));
      },
    });
  };
  return page.addInitScript(`(${alter})(${change})`);
}

export class Console {
  static async open(browser, url, hash = '') {
    const made = new Console(await browser.newPage());
    made.page.on('pageerror', (error) => made.errors.push(String(error)));
    made.page.on('console', (message) => {
      if (/Content.Security.Policy/i.test(message.text())) made.errors.push(message.text());
    });
    await made.page.goto(`${url}/${hash}`);
    return made;
  }

  errors = []; // script errors and violations of the content security policy
  constructor(page) {
    this.page = page;
  }

  desk(name) {
    return this.page.locator(`.desk[data-name="${name}"]`);
  }
  row(name) {
    return this.page.locator(`.endpoint[data-name="${name}"]`);
  }
  notices() {
    return this.page.locator('.notices').innerText();
  }
  link() {
    return this.page.locator('.link').getAttribute('data-state');
  }
  connected() {
    return until('the page is connected', async () => (await this.link()) === 'connected');
  }

  async view(name) {
    await this.page.click(`nav a[href="#/${name}"]`);
    if (name !== 'terminals') await this.page.waitForSelector('main > .stack');
  }

  /** Waits for a part of the page that it loads by itself, later. */
  hasLoaded(part) {
    return this.page.waitForFunction(
      (part) => performance.getEntriesByType('resource').some(({ name }) => name.includes(`/${part}-`)),
      part,
    );
  }

  async openEndpoint(name) {
    await this.row(name).locator('button').click();
    await this.isOpen(name);
  }

  isOpen(name) {
    return until(
      `${name} is open`,
      async () =>
        (await this.desk(name).getAttribute('data-state')) === 'open'
        && (await this.desk(name).locator('.xterm').count()) > 0,
    );
  }

  /** The screen's rows, as they are drawn. */
  screen(name) {
    return this.page.evaluate(
      (selector) =>
        [...document.querySelectorAll(`${selector} .xterm-rows > div`)]
          .map((row) => row.textContent.trimEnd())
          .join('\n'),
      `.desk[data-name="${name}"]`,
    );
  }

  shows(name, text) {
    let last = '';
    return until(`${name} shows ${text}`, async () => {
      last = await this.screen(name);
      return text instanceof RegExp ? text.test(last) : last.includes(text);
    }).catch((error) => {
      throw new Error(`${error.message}\n${last}`);
    });
  }

  async send(name, text) {
    await this.desk(name).locator('input.line').fill(text);
    await this.desk(name).locator('input.line').press('Enter');
  }

  /** Another tab is in front of the page, or not any more. */
  hide(hidden) {
    return this.page.evaluate((value) => {
      Object.defineProperty(document, 'hidden', { value, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
  }

  tool(name, label) {
    return this.desk(name).locator('.tools').getByRole('button', { name: label, exact: true });
  }
  trouble(name) {
    return this.desk(name).locator('> .trouble').innerText();
  }
}
