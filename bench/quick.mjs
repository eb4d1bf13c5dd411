// Some rows of some servers, while one works on them: `taskset -c 1 node bench/quick.mjs ROWS [SERVERS]`,
// comma between names.
import * as rows from './lib/rows.mjs';
import { servers } from './lib/server.mjs';

const [wanted = 'echo,down,up', which = Object.keys(servers).join(',')] = process.argv.slice(2);
const short = (value) =>
  JSON.stringify(value, (_, number) => (typeof number === 'number' ? Number(number.toPrecision(4)) : number));
for (const name of which.split(',')) {
  const server = await servers[name](/udp/i.test(wanted));
  try {
    for (const row of wanted.split(',')) {
      const [call, ...words] = row.split(':');
      const numbers = words.length ? words.map(Number) : call === 'echo' ? [64] : [];
      // biome-ignore lint/performance/noDynamicNamespaceImportAccess: the command line names the row; nothing bundles this
      const result = await rows[call](server, ...numbers);
      console.log(name.padEnd(18), row.padEnd(14), short(result));
    }
  } catch (error) {
    console.log(name, error);
  } finally {
    await server.stop();
  }
}
process.exit(0);
