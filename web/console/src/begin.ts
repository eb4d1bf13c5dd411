// Where the page begins: the connection first, because it waits for the network. All that is to be seen comes meanwhile. This file
// imports nothing at once, so that it is there to try again when something else did not come: browsers drop what they are loading when
// a phone changes its network, and a new version of the gateway may come between the page and its parts.
const AGAIN = 1000; // ms

Promise.all([import('./first.ts'), import('./main.tsx')]).then(([{ first }, { show }]) => show(first), () => setTimeout(() => location.reload(), AGAIN));
// A link with a token, opened in a page that is there already, changes the fragment only.
addEventListener('hashchange', () => {
  if (/^#(token|share)=/.test(location.hash)) location.reload();
});
