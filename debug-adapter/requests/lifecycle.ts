/** The life of a session: initialize, launch, configurationDone, restart, terminate, disconnect, cancel. */
import type { DebugProtocol as DP } from '@vscode/debugprotocol';
import type { Diagnostic } from '../../emulator/asm/diagnostics';
import { Control } from '../control';
import { ErrorId, UserError } from '../errors';
import { GdbServer } from '../gdb/server';
import { callerByStack } from '../inspect/caller';
import { viewOf } from '../inspect/stop-view';
import { parseLaunch } from '../launch/config';
import { AssemblyError } from '../launch/program';
import { SessionListener } from '../listener';
import type { HandlerTable } from '../protocol/table';
import type { Session } from '../session';
import { Target } from '../target';
import { describe } from './breakpoints';
import { capabilities } from './capabilities';

/** Sends what the assembler says, for the editor's Problems view. */
function sendDiagnostics(ctx: Session, items: readonly Diagnostic[]): void {
  if (items.length === 0) return;
  ctx.send('worldswitch/diagnostics', {
    items: items.map(({ file, line, column, endColumn, message, severity }) => ({
      file,
      line,
      column,
      endColumn,
      message,
      severity: severity === 'error' ? 'error' : 'warning',
    })),
  });
}

/** Builds the guest that the arguments of a launch describe. */
function build(ctx: Session, args: object): Target {
  try {
    const target = Target.launch(parseLaunch(args as Record<string, unknown>));
    sendDiagnostics(ctx, target.program.diagnostics);
    return target;
  } catch (error) {
    if (error instanceof AssemblyError) sendDiagnostics(ctx, error.items);
    if (error instanceof Error && error.name === 'SymbolError')
      throw new UserError(error.message, ErrorId.launch, true);
    throw error;
  }
}

/** Lets gdb attach to the same machine. @throws UserError when the port cannot be had */
async function listenForGdb(ctx: Session, control: Control): Promise<void> {
  const { gdbServer } = control.target.config;
  if (gdbServer === undefined) return;
  const message = (text: string): void => ctx.send('output', { category: 'console', output: `${text}\n` });
  const server = await GdbServer.listen(gdbServer, control, {
    message,
    resumed: (cpu) => ctx.send('continued', { threadId: cpu + 1, allThreadsContinued: true }),
    changed: () => {
      if (control.running) return;
      const view = viewOf(ctx);
      view.changed('stacks');
      view.announce();
    },
  });
  ctx.gdb = server;
  ctx.onDispose(() => server.close());
  message(`gdb can attach to this machine: gdb-multiarch -ex "${server.command}"`);
}

/** Begins to run, or stops before the first instruction. Without debugging nothing stops the guest but the user. */
function begin(control: Control): void {
  const { stopOnEntry, noDebug } = control.target.config;
  if (noDebug) control.forgetStops();
  if (stopOnEntry && !noDebug) control.reportHere('entry', 'Paused on entry');
  else control.resume();
}

export const handlers: Partial<HandlerTable> = {
  initialize(ctx, args) {
    if (ctx.client) throw new UserError('The session is initialized already.', ErrorId.state);
    ctx.client = (args as DP.InitializeRequestArguments | undefined) ?? { adapterID: 'worldswitch' };
    return capabilities;
  },

  async launch(ctx, args, request) {
    if (ctx.control)
      throw new UserError('A program is launched already: send "restart" to launch it again.', ErrorId.state);
    const target = build(ctx, args ?? {});
    const control = new Control(target, new SessionListener(ctx));
    control.callerOf = callerByStack;
    ctx.target = target;
    ctx.control = control;
    control.interactive = ctx.wantsUart;
    ctx.onDispose(() => void control.halt().then(() => ctx.target?.close()));
    for (const problem of [...target.problems, ...target.symbols.problems()])
      ctx.send('output', { category: 'stderr', output: `${problem}\n` });
    try {
      await listenForGdb(ctx, control);
    } catch (error) {
      target.close();
      ctx.target = ctx.control = undefined;
      throw error;
    }
    // The client sends breakpoints next, and configurationDone behind them.
    request.afterResponse(() => ctx.send('initialized'));
  },

  configurationDone(ctx, _args, request) {
    const control = ctx.requireControl();
    if (ctx.configured) throw new UserError('The session is configured already.', ErrorId.state);
    ctx.configured = true;
    request.afterResponse(() => {
      begin(control);
      ctx.gdb?.open();
    });
  },

  async restart(ctx, args, request) {
    const control = ctx.requireControl();
    const given: unknown = args?.arguments;
    const config = typeof given === 'object' && given !== null && 'program' in given ? given : undefined;
    // The old guest stays until the new one can be made: a mistake in the source does not end the session.
    const target = config ? build(ctx, config) : ctx.requireTarget().again();
    sendDiagnostics(ctx, config ? [] : target.program.diagnostics);
    await control.halt();
    // The new guest has read nothing of its disks yet: it finds there what the old one has written.
    ctx.target?.close();
    ctx.closed = false;
    ctx.forgetHandles();
    ctx.target = target;
    control.attach(target);
    request.afterResponse(() => {
      for (const b of control.breakpoints.all())
        ctx.send('breakpoint', { reason: 'changed', breakpoint: describe(ctx, b) });
      begin(control);
    });
  },

  async terminate(ctx, _args, request) {
    ctx.closed = true;
    await ctx.control?.halt();
    ctx.target?.keepDisks();
    request.afterResponse(() => ctx.send('terminated'));
  },

  async disconnect(ctx, _args, request) {
    ctx.closed = true;
    await ctx.control?.halt();
    ctx.target?.keepDisks();
    request.afterResponse(() => ctx.close());
  },

  cancel(ctx, args) {
    if (typeof args?.requestId === 'number') ctx.cancelRequest(args.requestId);
  },
};
