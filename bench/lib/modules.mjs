// Packages that tests/browser has installed.
import { createRequire } from 'node:module';

export const datachannel = createRequire(new URL('../../tests/browser/package.json', import.meta.url))(
  'node-datachannel',
);
