/** The requests that DAP has no message for: the guest's console and the world-switch trace. */
import { inputPorts } from '../../emulator/board/virt';
import { UserError } from '../errors';
import type { HandlerTable } from '../protocol/table';
import { TRACE_LENGTH } from '../trace/ring';

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

export const handlers: Partial<HandlerTable> = {
  'worldswitch/uart'(ctx, args) {
    const { data, subscribe, port = 'uart0' } = args ?? {};
    if (data === undefined && subscribe === undefined)
      throw new UserError('"worldswitch/uart" needs "data" (input for the guest, in base64) or "subscribe".');
    if (subscribe !== undefined) {
      if (typeof subscribe !== 'boolean')
        throw new UserError('"subscribe" of "worldswitch/uart" is true or false.');
      ctx.wantsUart = subscribe;
      if (ctx.control) ctx.control.interactive = subscribe;
    }
    if (data === undefined) return;
    if (typeof data !== 'string' || !BASE64.test(data))
      throw new UserError('The "data" of "worldswitch/uart" must be base64.');
    const control = ctx.requireControl();
    if (control.ended) throw new UserError('The guest has powered off and reads no input.');
    const hasPort =
      inputPorts.some((p) => p === port) && (port === 'uart0' || control.target.board.hasConsole);
    if (!hasPort)
      throw new UserError(
        `The machine has no console "${port}": name "console" in "virtio" of launch.json to have "hvc0".`,
      );
    control.input(Buffer.from(data, 'base64'), port);
  },

  'worldswitch/trace'(ctx, args) {
    const { trace, formatter } = ctx.requireTarget();
    const last = args?.last ?? 1000;
    if (!Number.isInteger(last) || last < 0)
      throw new UserError(`"last" of "worldswitch/trace" is a whole number up to ${TRACE_LENGTH}.`);
    ctx.wantsTrace = args?.subscribe ?? true;
    return { lines: trace.last(last).map((e) => formatter.line(e)) };
  },
};
