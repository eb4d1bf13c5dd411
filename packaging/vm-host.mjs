// Around the virtual machine of packaging/vm: starts it, has the far end of its serial adapter in hand and
// the console in a Chromium, and does what vm-probe inside asks for. `node packaging/vm-host.mjs ARCHITECTURE
// FOLDER KERNEL COMMAND-LINE`
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { store } from '../bench/lib/report.mjs';
import { chromium } from '../tests/browser/lib/browsers.js';
import { Console } from '../tests/browser/lib/console.js';
import { until } from '../tests/browser/lib/until.js';

const [architecture, folder, kernel, words] = process.argv.slice(2);
const machines = {
  amd64: ['qemu-system-x86_64', '-M', 'q35', '-cpu', 'max'],
  arm64: ['qemu-system-aarch64', '-M', 'virt', '-cpu', 'cortex-a72'],
};
const file = (name) => `${folder}/${name}`;
const adapter = {
  driver: 'usb-serial',
  id: 'adapter',
  bus: 'usb.0',
  chardev: 'line',
  serial: 'TW1',
  'always-plugged': true,
};
// An emulated board beside a browser on two cores takes its time.
const patience = 180000;

for (const name of ['console.log', 'trace.log', 'monitor', 'line']) rmSync(file(name), { force: true });
const [program, ...kind] = machines[architecture];
const qemu = spawn(
  program,
  [
    ...kind,
    '-smp',
    '2',
    '-m',
    '1536',
    '-nodefaults',
    '-display',
    'none',
    '-serial',
    `file:${file('console.log')}`,
    '-kernel',
    kernel,
    '-initrd',
    file('initrd.zst'),
    '-append',
    words,
    '-netdev',
    'tap,id=net,ifname=cable,script=no,downscript=no',
    '-device',
    'virtio-net-pci,netdev=net,romfile=',
    '-drive',
    `file=${file('disk')},if=none,id=disk,format=raw`,
    '-device',
    'virtio-blk-pci,drive=disk',
    '-chardev',
    `socket,id=line,path=${file('line')},server=on,wait=off`,
    '-device',
    'qemu-xhci,id=usb',
    '-device',
    JSON.stringify(adapter),
    '-qmp',
    `unix:${file('monitor')},server=on,wait=off`,
    '-trace',
    'usb_serial_*',
    '-D',
    file('trace.log'),
  ],
  { stdio: 'inherit' },
);
const ended = once(qemu, 'exit');
const endings = [];
process.on('exit', () => qemu.kill());
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(1));

async function connect(name) {
  return until(
    `${name} is there`,
    async () => {
      const socket = net.connect(file(name));
      await once(socket, 'connect');
      return socket;
    },
    patience,
  );
}

/** The far end of the serial line. */
const line = { socket: await connect('line'), received: '' };
line.socket
  .setEncoding('utf8')
  .on('data', (text) => {
    line.received += text;
  })
  .on('error', () => {});

/** QEMU's monitor (QMP): one command after the other. */
const monitor = await connect('monitor');
const answers = createInterface({ input: monitor })[Symbol.asyncIterator]();
await answers.next(); // its greeting
async function command(execute, options) {
  monitor.write(`${JSON.stringify({ execute, arguments: options })}\n`);
  for (;;) {
    const { value, done } = await answers.next();
    if (done) throw new Error('the monitor is gone');
    const { return: result, error } = JSON.parse(value);
    if (error) throw new Error(`${execute}: ${error.desc}`);
    if (result) return;
  }
}
await command('qmp_capabilities');

/**
 * What the adapter was told of DTR: FTDI's request 1 has the level in bit 0 and in bit 8 whether it is meant.
 */
function dtr() {
  const requests = readFileSync(file('trace.log'), 'utf8').matchAll(
    /usb_serial_handle_control .* control 0x4001, value 0x([0-9a-f]+)/g,
  );
  return [...requests]
    .map(([, value]) => parseInt(value, 16))
    .filter((value) => value & 0x100)
    .map((value) => (value & 1 ? 'up' : 'down'));
}

let boots = 0;
let page;
let marked = 0;
/** What the probe may ask for. An answer is said to it; an error fails the check. */
const requests = {
  boot: () => boots,
  unplug: () => command('device_del', { id: 'adapter' }),
  plug: () => command('device_add', adapter),
  mark: () => {
    marked = dtr().length;
  },
  /** Whether DTR has gone so since the mark, and no other way. */
  dtr: (...expected) => {
    const seen = dtr().slice(marked);
    if (String(seen) !== String(expected)) throw new Error(`DTR has gone: ${seen.join(' ') || 'nowhere'}`);
  },
  open: async (url) => {
    const browser = await chromium(
      { after: (end) => endings.push(end) },
      { ignoreHTTPSErrors: true, timeout: patience },
    );
    const { origin, hash } = new URL(url);
    page = await Console.open(browser, origin, hash);
    await page.row('line').locator('button').click({ timeout: patience });
    await page.isOpen('line', patience);
  },
  /** From the page to the line, and from the line to the page. */
  talk: async (word) => {
    await page.isOpen('line', patience);
    await page.connected(patience);
    await page.send('line', `${word} to the line`);
    await until(
      'what was typed is at the line',
      () => line.received.includes(`${word} to the line\n`),
      patience,
    );
    line.socket.write(`${word} from the line\r\n`);
    await page.shows('line', `${word} from the line`, patience);
  },
  faultless: () => {
    if (page.errors.length > 0) throw new Error(page.errors.join('; '));
  },
};

// vm-probe says one thing a line, and the first word says what it is: `?` a request, to which one line is the
// answer; `ok` or `FAILED` and a check; `|` a row of the table that is stored; `=== end` that it has run to
// its end.
let faults = 0;
let finished = false;
const figures = [];
function serve(socket) {
  boots += 1;
  socket.on('error', () => {});
  const lines = createInterface({ input: socket });
  lines.on('line', async (text) => {
    if (!text.startsWith('? ')) {
      if (text.startsWith('FAILED')) faults += 1;
      finished ||= text === '=== end';
      if (text.startsWith('|')) figures.push(text);
      return console.log(text);
    }
    const [name, ...options] = text.slice(2).split(' ').filter(Boolean);
    const answer = await Promise.resolve()
      .then(() => requests[name](...options))
      .then(
        (said) => `yes ${said ?? ''}`,
        (error) => `no ${error.message.replaceAll('\n', ' | ')}`,
      );
    socket.write(`${answer}\n`);
  });
}
const server = net.createServer(serve).listen(4000, '192.0.2.2');

const [code] = await ended;
server.close();
for (const end of endings) await end();
if (!finished) console.log(`FAILED to run to its end: QEMU ended with ${code}; see ${file('console.log')}`);
if (finished && faults === 0 && architecture === 'arm64') store('machine', figures, 'cross/sizes.md');
process.exit(finished && faults === 0 ? 0 : 1);
