// That the tests themselves tell the truth: what goes wrong beside a test fails it, and says what it was.
import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import test from 'node:test';
import { browsers } from './lib/browsers.js';
import { Daemon, temporaryDirectory } from './lib/daemon.js';
import { skip } from './lib/skip.js';
import { testBound } from './lib/until.js';

function program(text) {
  const path = `${temporaryDirectory()}/program`;
  writeFileSync(path, text);
  chmodSync(path, 0o755);
  return path;
}

/**
 * A program that listens as the daemon does. `end` is what it does at SIGTERM, `says` a line of its log then,
 * `metrics` what it answers.
 */
const likeADaemon = ({
  end = 'process.exit(0)',
  says = '',
  metrics = 'thingway_sessions_panicked_total 0',
} = {}) =>
  program(`#!${process.execPath}
const server = require('node:http').createServer((request, response) => (request.url === '/die' ? process.exit(3) : response.end(${JSON.stringify(`${metrics}\n`)})));
server.listen(0, '127.0.0.1', () => console.error('INFO listening on http://127.0.0.1:' + server.address().port + '/'));
process.on('SIGTERM', () => { if (${JSON.stringify(says)}) console.error(${JSON.stringify(says)}); ${end}; });
`);

/** A test beside this one: its hooks, which are run as Node does it, and what they have thrown. */
class Beside {
  hooks = [];
  after(hook) {
    this.hooks.push(hook);
  }

  async end() {
    for (const hook of this.hooks) await hook();
  }
}

const faults = {
  'a panic in the log': [
    { says: 'thread main panicked at src/main.rs:1' },
    /its log has a panic: thread main panicked/,
  ],
  'a session that ended by a bug': [
    { says: 'ERROR session 1: ended by a bug, please report it' },
    /its log has a panic: ERROR session 1/,
  ],
  'a description that met a bug': [
    { says: 'ERROR a description met a bug, please report it' },
    /its log has a panic: ERROR a description/,
  ],
  'a count of lost sessions': [
    { metrics: 'thingway_sessions_panicked_total 2' },
    /sessions that were lost to a bug: 2/,
  ],
  'no such count': [
    { metrics: 'nothing' },
    /sessions that were lost to a bug: unknown, since \/metrics does not say: nothing/,
  ],
  'an exit code': [{ end: 'process.exit(101)' }, /SIGTERM ends it with exit code 101/],
  'an abort': [{ end: 'process.abort()' }, /SIGTERM ends it with SIGABRT/],
};
for (const [what, [manners, words]] of Object.entries(faults)) {
  test(`a test fails when its daemon has ${what}`, { timeout: testBound }, async () => {
    const beside = new Beside();
    await Daemon.start(beside, '', { program: likeADaemon(manners) });
    let others = 0;
    beside.after(() => others++);
    await assert.rejects(beside.end(), words);
    assert.equal(others, 1, 'what else the test has begun is ended before');
  });
}

test('a test fails when its daemon hangs, or has ended by itself', { timeout: testBound }, async () => {
  const beside = new Beside();
  const hanging = await Daemon.start(beside, '', { program: likeADaemon({ end: '' }) });
  await assert.rejects(
    hanging.stop({ patience: 200 }),
    /did not end within 200 ms of SIGTERM and was killed/,
  );
  await beside.end();

  const gone = await Daemon.start(new Beside(), '', { program: likeADaemon() });
  await fetch(`${gone.url}/die`).catch(() => {});
  // Which of the two depends on who hears of it first.
  await assert.rejects(gone.stop(), /(has ended by itself,|SIGTERM ends it) with exit code 3/);
});

test('a daemon that lives well is stopped and killed without a fault', { timeout: testBound }, async () => {
  const beside = new Beside();
  const daemon = await Daemon.start(beside, '', { program: likeADaemon() });
  await daemon.stop();
  await daemon.stop();
  await daemon.start();
  await daemon.kill();
  await beside.end();
});

test('a daemon that does not start is told of at once, with what it said', {
  timeout: testBound,
}, async () => {
  await assert.rejects(
    Daemon.start(new Beside(), '', { program: program('#!/bin/sh\necho "no such key: x" >&2\nexit 2\n') }),
    /did not start: exit code 2; its log:\nno such key: x/,
  );
  await assert.rejects(
    Daemon.start(new Beside(), '', { program: '/nowhere/thingway' }),
    /did not start: Error: spawn \/nowhere\/thingway ENOENT/,
  );
});

for (const [name, launch] of Object.entries(browsers)) {
  test(`${name} that does not start is told of at once, with its standard error`, {
    timeout: testBound,
  }, async () => {
    const dies = program('#!/bin/sh\necho "cannot open libnothing.so" >&2\nexit 127\n');
    await assert.rejects(
      launch(new Beside(), { executablePath: dies }),
      new RegExp(
        `${name} \\(${dies}\\) did not start: (?!.*[Tt]ime)[^]*\nits standard error:\ncannot open libnothing.so`,
      ),
    );
    if (name === 'chromium') return; // Playwright gives one that hangs another half a minute to end well
    const hangs = program('#!/bin/sh\necho "waiting for a display" >&2\nexec sleep 1000\n');
    await assert.rejects(
      launch(new Beside(), { executablePath: hangs, timeout: 1000 }),
      /did not start: [\s\S]*\nits standard error:\nwaiting for a display/,
    );
  });
}

test('a test that is skipped fails where all are wanted', () => {
  const before = process.env.THINGWAY_TESTS_ALL;
  const told = [];
  try {
    process.env.THINGWAY_TESTS_ALL = '1';
    assert.throws(
      () => skip({ skip: (why) => told.push(why) }, 'no network here'),
      /THINGWAY_TESTS_ALL=1 lets no test be skipped: no network here/,
    );
    delete process.env.THINGWAY_TESTS_ALL;
    skip({ skip: (why) => told.push(why) }, 'no network here');
  } finally {
    if (before !== undefined) process.env.THINGWAY_TESTS_ALL = before;
  }
  assert.deepEqual(told, ['no network here']);
});
