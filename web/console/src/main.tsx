// What is to be seen.
import { render } from 'preact';
import { App } from './app.tsx';
import './plots/samples.ts';

render(<App />, document.querySelector('#app')!);
