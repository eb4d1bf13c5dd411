// Chromium by its own protocol, Firefox by WebDriver BiDi. Both start with a profile that is new and empty.
import playwright from 'playwright-core';
import puppeteer from 'puppeteer-core';
import { temporaryDirectory } from './daemon.js';

const chromiumFlags = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

/** A function that opens pages in a new Chromium. The browser ends with the test. */
export async function chromium(t, options = {}) {
  const context = await playwright.chromium.launchPersistentContext(temporaryDirectory(), {
    executablePath: process.env.CHROMIUM_BIN ?? '/usr/bin/chromium',
    args: chromiumFlags,
    timeout: 30000,
    ...options,
  });
  t.after(() => context.close());
  return {
    name: 'chromium',
    version: context.browser()?.version() ?? (await productVersion(context)),
    newPage: () => context.newPage(),
  };
}

/** A persistent context does not always have a browser object to ask. */
async function productVersion(context) {
  const page = await context.newPage();
  const agent = await page.evaluate(() => navigator.userAgent);
  await page.close();
  return agent.match(/Chrome\/([\d.]+)/)[1];
}

export async function firefox(t) {
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: process.env.FIREFOX_BIN ?? '/usr/bin/firefox-esr',
    headless: true,
    userDataDir: temporaryDirectory(),
    timeout: 60000,
    extraPrefsFirefox: { 'app.update.enabled': false, 'network.captive-portal-service.enabled': false },
  });
  t.after(() => browser.close());
  return {
    name: 'firefox',
    version: (await browser.version()).replace(/^.*\//, ''),
    newPage: () => browser.newPage(),
  };
}

export const browsers = { chromium, firefox };
