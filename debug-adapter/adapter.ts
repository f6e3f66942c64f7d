/** All request handlers, and the server that they make. */
import { joinHandlers } from './protocol/registry';
import { DapServer } from './protocol/server';
import { handlers as breakpoints } from './requests/breakpoints';
import { handlers as dataBreakpoints } from './requests/data-breakpoints';
import { handlers as lifecycle } from './requests/lifecycle';
import { handlers as memory } from './requests/memory';
import { handlers as run } from './requests/run';
import { handlers as stack } from './requests/stack';
import { handlers as variables } from './requests/variables';
import { handlers as worldswitch } from './requests/worldswitch';

/** One area a line. */
export const allHandlers = joinHandlers(
  lifecycle,
  breakpoints,
  dataBreakpoints,
  run,
  stack,
  variables,
  memory,
  worldswitch,
);

/** A server for one client. */
export function createServer(): DapServer {
  return new DapServer(allHandlers);
}
