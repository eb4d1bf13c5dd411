// The same test in each place where the client library runs: two browsers and Node. What is tested is a
// function of its own, which gets its tools and gives what can be written as JSON.
import { RTCPeerConnection } from 'node-datachannel/polyfill';
import { browsers } from './browsers.js';
import { Daemon } from './daemon.js';
import { openConnected, startDaemonFor, startLibrarySite } from './library.js';

/** Runs in the browser or in Node. */
function toolsFor(session, connect, createSerial, connectOptions = {}) {
  return {
    session,
    connect,
    createSerial,
    /** What a further connection needs. */
    connectOptions,
    /** For what a test needs later. */
    keep: {},
    /** What a promise rejects with, or else its value. */
    settled: (promise) =>
      promise.then(
        (value) => value,
        (error) => error,
      ),
    async until(what, condition, milliseconds = 60000) {
      for (
        const deadline = Date.now() + milliseconds;
        Date.now() < deadline;
        await new Promise((done) => setTimeout(done, 1))
      )
        if (condition()) return;
      throw new Error(`not within ${milliseconds} ms: ${what}`);
    },
    /** Resolves when a port that waits for credit has sent nothing for some time. */
    async still(port) {
      let [before, unchanged] = [-1, 0];
      while (unchanged < 100 || !port.bytesSent) {
        unchanged = port.bytesSent === before ? unchanged + 1 : 0;
        before = port.bytesSent;
        await new Promise((done) => setTimeout(done, 5));
      }
    },
    /**
     * The value of a promise that does not wait for the device: it is settled before so many round trips,
     * which take some seconds.
     */
    async soon(promise) {
      let isOver = false;
      const over = Promise.resolve(promise).finally(() => {
        isOver = true;
      });
      over.catch(() => {});
      for (let n = 0; n < 2000 && !isOver; n++) await session.ping();
      if (!isOver) throw new Error('it is not over after 2000 round trips');
      return over;
    },
  };
}

const inBrowser = (launch) => async (t, config, options) => {
  const site = await startLibrarySite(t);
  const daemon = await startDaemonFor(t, site, config, options);
  const page = await openConnected(await launch(t), site, daemon.url);
  await page.evaluate(`(async () => {
    const { createSerial } = await import('/thingway/serial/index.js');
    window.tools = (${toolsFor})(session, thingway.connect, createSerial);
  })()`);
  const run = (what, word) => page.evaluate(`(${what})(tools, ${JSON.stringify(word)})`);
  return {
    daemon,
    run,
    begin: (what) => page.evaluate(`(async () => { tools.keep.begun = await (${what})(tools); })()`),
  };
};

async function inNode(t, config, options) {
  const { connect } = await import('../../../web/client/dist/index.js');
  const { createSerial } = await import('../../../web/client/dist/serial/index.js');
  const daemon = await Daemon.start(t, config, options);
  const session = await connect(daemon.url, { RTCPeerConnection });
  t.after(() => session.close());
  const tools = toolsFor(session, connect, createSerial, { RTCPeerConnection });
  return {
    daemon,
    run: async (what, word) => what(tools, word),
    begin: async (what) => {
      tools.keep.begun = await what(tools);
    },
  };
}

/**
 * Each starts a daemon. `run` calls a function with the tools there; `begin` keeps what it gives, as
 * `keep.begun`.
 */
export const programs = {
  ...Object.fromEntries(Object.entries(browsers).map(([name, launch]) => [name, inBrowser(launch)])),
  node: inNode,
};
