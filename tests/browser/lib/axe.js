// axe-core in a page: what of it not everybody can use.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe-core calls serious or critical. */
export async function faults(page) {
  const { violations } = await page.evaluate((source) => {
    // By evaluation, because the policy of the page lets no script in.
    // biome-ignore lint/security/noGlobalEval: it is a test that gives the page this source
    if (!window.axe) globalThis.eval(source);
    return window.axe.run(document, { resultTypes: ['violations'] });
  }, axe);
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(
      ({ id, impact, nodes }) =>
        `${impact} ${id}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join('; ')}`,
    );
}
