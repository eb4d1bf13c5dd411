// Files of the console without the page around them.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../web/console/', import.meta.url));
const esbuild = createRequire(`${root}package.json`)('esbuild');

/** Imports a file of web/console/src. */
export async function consoleModule(path) {
  const { outputFiles } = await esbuild.build({
    entryPoints: [`${root}src/${path}`],
    bundle: true,
    format: 'esm',
    write: false,
  });
  return import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);
}
