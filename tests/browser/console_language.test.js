// Two languages, with the same messages, and no words beside them.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'acorn';
import { chromium } from './lib/browsers.js';
import { Console } from './lib/console.js';
import { consoleOf } from './lib/console_site.js';
import { Daemon, demoEndpoint, serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { testBound, until } from './lib/until.js';

const root = fileURLToPath(new URL('../../web/console/', import.meta.url));
const esbuild = createRequire(join(root, 'package.json'))('esbuild');
const sources = readdirSync(join(root, 'src'), { recursive: true }).filter((path) => /\.tsx?$/.test(path));
const plain = (path, options = {}) =>
  esbuild.transformSync(readFileSync(join(root, 'src', path), 'utf8'), {
    loader: path.endsWith('x') ? 'tsx' : 'ts',
    ...options,
  }).code;
const table = async (language) =>
  (await import(`data:text/javascript,${encodeURIComponent(plain(`i18n/${language}.ts`))}`))[language];

test('both tables have the same keys and the same places for values', async () => {
  const [en, ja] = [await table('en'), await table('ja')];
  assert.deepEqual(Object.keys(ja).sort(), Object.keys(en).sort());
  const places = (text) => (text.match(/\{\w+\}/g) ?? []).sort();
  for (const key of Object.keys(en)) {
    assert.deepEqual(places(ja[key]), places(en[key]), key);
    assert.ok(en[key].trim() && ja[key].trim(), key);
  }
  // Words that are the same in both are names and units.
  const same = Object.keys(en).filter((key) => en[key] === ja[key]);
  assert.deepEqual(same, [], 'not translated');
  const reasons = Object.keys(en).filter((key) => key.startsWith('why.'));
  for (const key of reasons) assert.ok(key.replace('why.', 'try.') in en, `${key} says what to try`);
});

test('every message is used', async () => {
  const all = sources
    .filter((path) => !/i18n.(en|ja)\.ts/.test(path))
    .map((path) => readFileSync(join(root, 'src', path), 'utf8'))
    .join('\n');
  // keys that are put together from words
  const built = [...all.matchAll(/`([a-z.-]+[.-])\$\{/g)].map(([, prefix]) => prefix);
  const unused = Object.keys(await table('en')).filter(
    (key) =>
      !all.includes(`'${key}'`)
      && !built.some((prefix) => key.startsWith(prefix))
      && !['plots', 'drive', 'connection', 'sessions', 'tokens', 'terminals'].includes(key),
  );
  assert.deepEqual(unused, []);
});

/**
 * Words in the markup: children of an element, or an attribute that people read, that are not from a table.
 */
function literals(code) {
  const found = [];
  const read = ['title', 'placeholder', 'alt', 'label', 'aria-label', 'aria-description', 'name-text'];
  const visit = (node) => {
    if (!node || typeof node !== 'object') return;
    if (Array.isArray(node)) return void node.forEach(visit);
    if (node.type === 'CallExpression' && node.callee.name === 'h') {
      const [, props, ...children] = node.arguments;
      for (const child of children) literal(child);
      for (const prop of props?.properties ?? [])
        if (prop.key && read.includes(prop.key.name ?? prop.key.value)) literal(prop.value);
    }
    for (const [key, value] of Object.entries(node)) if (key !== 'type') visit(value);
  };
  const literal = (node) => {
    if (node.type === 'Literal' && typeof node.value === 'string' && /\p{L}{2,}/u.test(node.value))
      found.push(node.value);
    if (node.type === 'TemplateLiteral')
      for (const { value } of node.quasis) if (/\p{L}{3,}/u.test(value.cooked)) found.push(value.cooked);
    if (node.type === 'ConditionalExpression') [node.consequent, node.alternate].forEach(literal);
    if (node.type === 'LogicalExpression') literal(node.right);
  };
  visit(parse(code, { ecmaVersion: 'latest', sourceType: 'module' }));
  return found;
}

test('no literal is left in the markup', () => {
  // Names of wires, programs and files are the same in all languages.
  const names = [
    'DTR',
    'RTS',
    '/dev/ttyUSB0',
    'thingway',
    'thingway ',
    'thingway token add NAME',
    'sudo thingway setup',
    ' ms',
  ];
  for (const path of sources.filter((name) => name.endsWith('.tsx'))) {
    const code = plain(path, {
      jsx: 'transform',
      jsxFactory: 'h',
      jsxFragment: "'f'",
      tsconfigRaw: '{"compilerOptions":{"jsx":"react"}}',
    });
    assert.deepEqual(
      literals(code).filter((text) => !names.includes(text)),
      [],
      path,
    );
  }
  assert.deepEqual(
    literals('h("p", { title: "a title" }, "Some text", x ? "yes" : 1, h("b", null, t("key")))'),
    ['Some text', 'yes', 'a title'],
    'the test finds them',
  );
});

test('the whole page in Japanese, by the browser and by choice', { timeout: testBound }, async (t) => {
  const path = `${temporaryDirectory()}/tty`;
  await SerialDevice.plugIn(t, path);
  const daemon = await Daemon.start(
    t,
    `${demoEndpoint}${serialEndpoint('arm', path)}writers = "one"\ndeadman = { timeout_ms = 900, send = "x" }\n`,
  );
  const url = await consoleOf(t, daemon);
  const page = await Console.open(await chromium(t, { locale: 'ja-JP' }), url);
  await page.openEndpoint('arm');
  assert.equal(await page.page.evaluate(() => document.documentElement.lang), 'ja');
  await page.desk('arm').getByRole('button', { name: '回線', exact: true }).click();
  await page.desk('arm').getByRole('button', { name: 'その他', exact: true }).click();
  await page.page.getByRole('button', { name: '追加…' }).click();
  /**
   * Words of Latin letters that people see or hear, beside names and what the gateway itself says, which is
   * marked as English.
   */
  const strange = () =>
    page.page.evaluate(() => {
      const names = new Set([
        'thingway',
        'arm',
        'serial',
        'demo',
        'Enter',
        'LF',
        'CR',
        'CRLF',
        'DTR',
        'RTS',
        'CTS',
        'XON',
        'XOFF',
        'UDP',
        'ICE',
        'ms',
        'kB',
        'MB',
        'host',
        'prflx',
        'sha',
        'baud',
        'English',
        'Escape',
        'HTTP',
        'https',
        'deadman',
        'temp',
        'hum',
        'endpoint',
        'kind',
        'name',
        'echo',
        'fingerprint',
        'token',
        'add',
        'NAME',
        'sudo',
        'thingway',
        'setup',
        'example',
        'http',
        'tls',
      ]);
      const texts = [];
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        if (node.nodeType === Node.TEXT_NODE) {
          if (!node.parentElement.closest('.xterm, pre, .mono, code, datalist, option, noscript, [lang=en]'))
            texts.push(node.data);
        } else
          for (const name of ['aria-label', 'title', 'placeholder'])
            texts.push(node.getAttribute(name) ?? '');
      }
      return [...new Set(texts)].filter(
        (text) =>
          (text.match(/[A-Za-z]{2,}/g) ?? []).some((word) => !names.has(word))
          && !/^[\w.:[\]/-]+( \(\w+\))?$|\/dev\/|^トークンなし [0-9a-f]{8} を切断$/.test(text),
      );
    });
  assert.deepEqual(await strange(), []);
  await page.page.getByRole('button', { name: 'キャンセル' }).click();
  for (const view of ['plots', 'drive', 'connection', 'sessions', 'tokens']) {
    await page.view(view);
    await until('it is there', async () => (await page.page.locator('main .card').count()) > 0);
    assert.deepEqual(await strange(), [], view);
  }
  await daemon.stop();
  await until('a failure', async () => /ゲートウェイとの接続が切れました/.test(await page.notices()));
  assert.deepEqual(await strange(), [], 'failures');
  await daemon.start();
  await page.connected();

  await page.page.locator('.menu summary').click();
  await page.page.locator('.menu select').nth(1).selectOption('en');
  assert.match(await page.page.locator('nav').innerText(), /Terminals/);
  await page.page.reload();
  await page.connected();
  assert.equal(
    await page.page.evaluate(() => document.documentElement.lang),
    'en',
    'the choice is remembered',
  );
  assert.deepEqual(page.errors, []);
});
