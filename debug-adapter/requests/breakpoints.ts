/** Breakpoints and exception filters. */
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import type { DebugProtocol as DP } from '@vscode/debugprotocol';
import { exceptionFilters } from '../arch/a64';
import { isVerified, type Breakpoint, type BreakpointSpec, type Subject } from '../breakpoints/manager';
import type { FilterSpec } from '../breakpoints/filters';
import { UserError } from '../errors';
import { formatAddress } from '../inspect/address-space';
import { documentsOf } from '../inspect/stop-view';
import type { HandlerTable } from '../protocol/table';
import type { Session } from '../session';
import { describeData } from './data-breakpoints';

/** The client's line numbers begin at 0 instead of 1. */
const lineShift = (ctx: Session): number => (ctx.client?.linesStartAt1 === false ? 1 : 0);

/** A path of the client as a native path. */
function nativePath(ctx: Session, source: DP.Source | undefined): string {
  const given = source?.path;
  if (given === undefined || given === '')
    throw new UserError(
      'Line breakpoints need the path of a source file: set them in a file, or on an address.',
    );
  if (ctx.client?.pathFormat !== 'uri' && !given.startsWith('file:')) return given;
  try {
    return fileURLToPath(given);
  } catch {
    throw new UserError(`"${given}" is no URI of a file.`);
  }
}

/** A breakpoint as DAP describes it. */
export function describe(ctx: Session, b: Breakpoint): DP.Breakpoint {
  const verified = isVerified(b);
  const { subject } = b.spec;
  const address = b.places[0]?.va;
  const line = b.line ?? (subject.k === 'line' ? subject.line : undefined);
  const file = subject.k === 'line' ? subject.path : undefined;
  return {
    id: b.id,
    verified,
    ...(line === undefined ? {} : { line: line - lineShift(ctx) }),
    ...(file === undefined ? {} : { source: { name: path.basename(file), path: file } }),
    ...(address === undefined ? {} : { instructionReference: `0x${address.toString(16)}` }),
    ...(verified
      ? {}
      : { message: b.reason ?? 'The breakpoint has no code yet.', reason: b.guard ? 'pending' : 'failed' }),
  };
}

interface Guarded {
  readonly condition?: string;
  readonly hitCondition?: string;
  readonly logMessage?: string;
}

function spec(subject: Subject, given: Guarded): BreakpointSpec {
  const { condition, hitCondition, logMessage } = given;
  for (const [name, value] of Object.entries({ condition, hitCondition, logMessage })) {
    if (value !== undefined && typeof value !== 'string')
      throw new UserError(`The "${name}" of a breakpoint must be a string.`);
  }
  return {
    subject,
    ...(condition === undefined ? {} : { condition }),
    ...(hitCondition === undefined ? {} : { hitCondition }),
    ...(logMessage === undefined ? {} : { logMessage }),
  };
}

function replace(
  ctx: Session,
  kind: Subject['k'],
  file: string,
  specs: readonly BreakpointSpec[],
): { breakpoints: DP.Breakpoint[] } {
  const made = ctx.requireControl().breakpoints.replace(kind, file, specs);
  return { breakpoints: made.map((b) => describe(ctx, b)) };
}

/** The list that a request must have. */
function list<T>(value: readonly T[] | undefined, command: string): readonly T[] {
  if (Array.isArray(value)) return value as readonly T[];
  throw new UserError(`"${command}" needs a list of breakpoints.`);
}

function lineOf(ctx: Session, value: unknown): number {
  if (typeof value !== 'number' || !Number.isInteger(value))
    throw new UserError('A line breakpoint needs a line number.');
  return value + lineShift(ctx);
}

/** Lines of a generated document are addresses: see inspect/disassembly-document.ts. */
function inGeneratedSource(
  ctx: Session,
  source: DP.Source,
  sourceReference: number,
  given: readonly DP.SourceBreakpoint[],
): { breakpoints: DP.Breakpoint[] } {
  const documents = documentsOf(ctx);
  const lines = given.map((b) => lineOf(ctx, b.line));
  const specs = given.map((b, i) => {
    const { space, address } = documents.addressOfLine(sourceReference, lines[i] ?? 1);
    return spec({ k: 'instruction', reference: formatAddress(space, address), offset: 0 }, b);
  });
  const made = replace(ctx, 'line', `generated source ${sourceReference}`, specs);
  const shift = lineShift(ctx);
  return { breakpoints: made.breakpoints.map((b, i) => ({ ...b, source, line: (lines[i] ?? 1) - shift })) };
}

export const handlers: Partial<HandlerTable> = {
  setBreakpoints(ctx, args) {
    const { sourceReference } = args?.source ?? {};
    if (sourceReference) return inGeneratedSource(ctx, args.source, sourceReference, args.breakpoints ?? []);
    const file = nativePath(ctx, args?.source);
    const given: readonly DP.SourceBreakpoint[] =
      args.breakpoints ?? (args.lines ?? []).map((line) => ({ line }));
    const specs = list(given, 'setBreakpoints').map((b) =>
      spec({ k: 'line', path: file, line: lineOf(ctx, b.line) }, b),
    );
    return replace(ctx, 'line', file, specs);
  },

  setFunctionBreakpoints(ctx, args) {
    const specs = list(args?.breakpoints, 'setFunctionBreakpoints').map((b) => {
      if (typeof b.name !== 'string') throw new UserError('A function breakpoint needs a name.');
      return spec({ k: 'function', name: b.name.trim() }, b);
    });
    return replace(ctx, 'function', '', specs);
  },

  setInstructionBreakpoints(ctx, args) {
    const specs = list(args?.breakpoints, 'setInstructionBreakpoints').map((b) => {
      if (typeof b.instructionReference !== 'string')
        throw new UserError('An instruction breakpoint needs an instructionReference.');
      const offset = b.offset ?? 0;
      if (!Number.isSafeInteger(offset))
        throw new UserError('The offset of an instruction breakpoint is no whole number.');
      return spec({ k: 'instruction', reference: b.instructionReference, offset }, b);
    });
    return replace(ctx, 'instruction', '', specs);
  },

  setExceptionBreakpoints(ctx, args) {
    const options = args?.filterOptions ?? [];
    const given = [
      ...list(args?.filters, 'setExceptionBreakpoints').map((id) => ({
        id,
        condition: undefined as string | undefined,
      })),
      ...options.map((o) => ({ id: o.filterId, condition: o.condition })),
    ];
    const known = given.map(({ id, condition }): FilterSpec | undefined => {
      const filter = exceptionFilters.find((f) => f.id === id);
      return filter && { id: filter.id, ...(condition ? { condition } : {}) };
    });
    const usable = known.filter((f) => f !== undefined);
    const problems = ctx.requireControl().setFilters(usable);
    const names = exceptionFilters.map((f) => f.id).join(', ');
    return {
      breakpoints: known.map((f, i) => {
        const message = f
          ? problems[usable.indexOf(f)]
          : `There is no exception filter "${String(given[i]?.id)}": there are ${names}.`;
        return { verified: message === undefined, ...(message === undefined ? {} : { message }) };
      }),
    };
  },

  breakpointLocations(ctx, args) {
    const file = nativePath(ctx, args?.source);
    const shift = lineShift(ctx);
    const from = lineOf(ctx, args.line);
    const to = args.endLine === undefined ? from : lineOf(ctx, args.endLine);
    const found = ctx.requireTarget().symbols.breakpointLocations(file, from, to);
    return { breakpoints: [...new Set(found.map((l) => l.line))].map((line) => ({ line: line - shift })) };
  },
};

/** Tells the client that a breakpoint is verified now. */
export function announceChange(ctx: Session, id: number): void {
  const b = ctx.control?.breakpoints.all().find((x) => x.id === id);
  const data = ctx.control?.data.all().find((x) => x.id === id);
  const breakpoint = b ? describe(ctx, b) : data && describeData(data);
  if (breakpoint) ctx.send('breakpoint', { reason: 'changed', breakpoint });
}
