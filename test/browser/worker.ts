/** The web worker's entry: see browser.test.ts. */
import { runGuest } from './guest';

postMessage(runGuest());
