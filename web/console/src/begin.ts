// Where the page begins: this file and all that it imports stand in the page itself, so that the connection
// is made while the rest comes. It is also there to try again when something else did not come: browsers drop
// what they are loading when a phone changes its network, and a new version of the gateway may come between
// the page and its parts.
import { connect } from 'thingway';
import { first, leaving } from './first.ts';
import { brought, heldToken, hold, isRemembered, share } from './state/arrival.ts';
import { stored } from './state/storage.ts';

/** The parts that come when they are needed: state/late.ts. */
export type Later = 'screen' | 'later';
/** The addresses of main.tsx and of the parts that come later, which the build knows. */
declare const MAIN: string;
declare const PARTS: { [name in Later]: string };
const AGAIN = 1000; // ms
const PATIENCE = 300; // ms: to run what comes would hold a connection up that is nearly there

// What is seen before settings.ts is there has its colours already.
const chosen = stored('theme');
const dark =
  chosen === '"dark"' || (chosen !== '"light"' && matchMedia('(prefers-color-scheme: dark)').matches);
document.documentElement.dataset.theme = dark ? 'dark' : 'light';

const early = { brought, connect, first, heldToken, hold, isRemembered, leaving, parts: PARTS, share };
/** What is here already, for the parts that come: see state/early.ts. */
export type Early = typeof early;
Object.assign(globalThis, { early });

const turn = first
  ? Promise.race([first.shown.catch(() => {}), new Promise((done) => setTimeout(done, PATIENCE))])
  : Promise.resolve();
turn
  .then(() => import(MAIN) as Promise<typeof import('./main.tsx')>)
  .then(
    ({ show }) => show(),
    () => setTimeout(() => location.reload(), AGAIN),
  );
// A style sheet that did not come is asked for until it does, each time under another URL: browsers may
// remember the failure of one.
let sheets = 0;
addEventListener(
  'error',
  ({ target }) => {
    if (!(target instanceof HTMLLinkElement) || target.rel !== 'stylesheet') return;
    setTimeout(() => {
      target.href = `${target.href.replace(/\?.*/, '')}?again=${++sheets}`;
    }, AGAIN);
  },
  true,
);
// A link with a token, opened in a page that is there already, changes the fragment only.
addEventListener('hashchange', () => {
  if (/^#(token|share)=/.test(location.hash)) location.reload();
});
