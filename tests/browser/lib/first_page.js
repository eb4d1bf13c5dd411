// What a person does with the first page, said with calls that Playwright and Puppeteer share.
import { until } from './until.js';

export class FirstPage {
  static async open(browser, url) {
    const first = new FirstPage(await browser.newPage());
    first.page.on('pageerror', (error) => first.errors.push(String(error)));
    first.page.on('console', (message) => {
      if (/Content.Security.Policy/i.test(message.text())) first.errors.push(message.text());
    });
    await first.page.goto(`${url}/basic`);
    return first;
  }

  errors = []; // script errors and violations of the content security policy
  constructor(page) {
    this.page = page;
  }

  text(selector) {
    return this.page.evaluate((s) => document.querySelector(s)?.textContent ?? '', selector);
  }
  sessionState() {
    return this.page.evaluate(() => document.querySelector('#session').dataset.state);
  }
  notices() {
    return this.text('#notices');
  }
  endpoint(name) {
    return this.text(`.endpoint[data-name="${name}"] .state`);
  }
  state(name) {
    return this.text(`.console[data-name="${name}"] .state`);
  }
  trouble(name) {
    return this.text(`.console[data-name="${name}"] .trouble`);
  }
  log(name) {
    return this.text(`.console[data-name="${name}"] .log`);
  }
  /** The device's words only, without what was typed here. */
  output(name) {
    return this.page.evaluate(
      (s) => [...document.querySelectorAll(s)].map((e) => e.textContent).join(''),
      `.console[data-name="${name}"] .log span:not(.typed)`,
    );
  }

  async openEndpoint(name) {
    await until(`${name} is listed`, () => this.endpoint(name));
    await this.page.click(`.endpoint[data-name="${name}"] .open`);
    await this.isOpen(name);
  }

  isOpen(name) {
    return until(`${name} is open`, async () => /^open( |$)/.test(await this.state(name)));
  }

  async send(name, text, ending = 'lf') {
    const form = `.console[data-name="${name}"] form`;
    await this.page.evaluate(
      ([selector, value]) => {
        document.querySelector(selector).elements.ending.value = value;
      },
      [form, ending],
    );
    await this.page.focus(`${form} input`);
    await this.page.keyboard.type(text);
    await this.page.keyboard.press('Enter');
  }

  shows(name, text) {
    const found = async () => {
      const output = await this.output(name);
      return text instanceof RegExp ? text.test(output) : output.includes(text);
    };
    return until(`${name} shows ${text}`, found);
  }
}
