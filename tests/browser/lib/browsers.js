// Chromium by its own protocol, Firefox by WebDriver BiDi. Both start with a profile that is new and empty.
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import playwright from 'playwright-core';
import puppeteer from 'puppeteer-core';
import { temporaryDirectory } from './daemon.js';
import { bound } from './until.js';

const chromiumFlags = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A function that opens pages in a new Chromium. The browser ends with the test. */
export async function chromium(
  t,
  {
    executablePath = process.env.CHROMIUM_BIN ?? '/usr/bin/chromium',
    timeout = bound,
    flags = [],
    ...options
  } = {},
) {
  const heard = keepErrors(executablePath);
  const context = await playwright.chromium
    .launchPersistentContext(temporaryDirectory(), {
      executablePath: heard.program,
      args: [...chromiumFlags, ...flags],
      timeout,
      ...options,
    })
    .catch((error) => {
      throw heard.failure('chromium', error);
    });
  t.after(() => context.close());
  context.setDefaultTimeout(bound);
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

export async function firefox(
  t,
  { executablePath = process.env.FIREFOX_BIN ?? '/usr/bin/firefox-esr', timeout = bound } = {},
) {
  const heard = keepErrors(executablePath, { passOn: true });
  const browser = await puppeteer
    .launch({
      browser: 'firefox',
      executablePath: heard.program,
      headless: true,
      userDataDir: temporaryDirectory(),
      timeout,
      protocolTimeout: 2 * bound,
      extraPrefsFirefox: { 'app.update.enabled': false, 'network.captive-portal-service.enabled': false },
    })
    .catch((error) => {
      throw heard.failure('firefox', error);
    });
  t.after(() => browser.close());
  return {
    name: 'firefox',
    version: (await browser.version()).replace(/^.*\//, ''),
    newPage: async () => {
      const page = await browser.newPage();
      page.setDefaultTimeout(bound);
      return page;
    },
  };
}

export const browsers = { chromium, firefox };

/**
 * A way to call a browser that keeps its standard error in a file: the two libraries tell about it each in
 * its own way, and not at all when the browser hangs. `passOn`: the caller wants to read it, too, and finds
 * there which port the browser listens on.
 */
function keepErrors(executable, { passOn = false } = {}) {
  const directory = temporaryDirectory();
  const [program, errors] = [join(directory, 'browser'), join(directory, 'stderr')];
  writeFileSync(errors, '');
  const follow = passOn ? `tail -n +1 -f --pid=$$ '${errors}' >&2 &\n` : '';
  writeFileSync(program, `#!/bin/sh\n${follow}exec '${executable}' "$@" 2> '${errors}'\n`);
  chmodSync(program, 0o755);
  const failure = (name, error) =>
    new Error(
      `${name} (${executable}) did not start: ${error.message.split('\n')[0]}\nits standard error:\n${readFileSync(errors, 'utf8').trim() || 'nothing'}`,
    );
  return { program, failure };
}
