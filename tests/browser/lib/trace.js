// What a page costs, told by Chromium's tracing.

/**
 * The tasks of the page's main thread in milliseconds of processor time: what they cost even where other
 * programs have the machine, which the clock of `longtask` counts too.
 */
export class Trace {
  #events = [];
  #client;

  static async start(page) {
    const trace = new Trace();
    trace.#client = await page.context().newCDPSession(page);
    trace.#client.on('Tracing.dataCollected', ({ value }) => trace.#events.push(...value));
    await trace.#client.send('Tracing.start', {
      transferMode: 'ReportEvents',
      traceConfig: { includedCategories: ['toplevel', 'disabled-by-default-devtools.timeline'] },
    });
    return trace;
  }

  async stop() {
    const complete = new Promise((done) => this.#client.once('Tracing.tracingComplete', done));
    await this.#client.send('Tracing.end');
    await complete;
    const main = new Map(); // of each renderer; the busiest one is the page's
    for (const { name, args, pid, tid } of this.#events)
      if (name === 'thread_name' && args.name === 'CrRendererMain') main.set(`${pid} ${tid}`, []);
    for (const { name, pid, tid, tdur } of this.#events) {
      if (/RunTask$/.test(name) && tdur !== undefined) main.get(`${pid} ${tid}`)?.push(tdur / 1000);
    }
    const sum = (values) => values.reduce((all, value) => all + value, 0);
    return [...main.values()].sort((a, b) => sum(b) - sum(a))[0] ?? [];
  }
}
