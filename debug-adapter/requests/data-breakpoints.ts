/** dataBreakpointInfo and setDataBreakpoints. */
import type { DebugProtocol as DP } from '@vscode/debugprotocol';
import type { WatchKind } from '../../emulator/core/watch';
import type { DataBreakpoint, DataSpec } from '../breakpoints/data';
import { checkedBytes, formatDataId, resolve } from '../breakpoints/data-place';
import { UserError } from '../errors';
import {
  dataAtAddress,
  dataOfExpression,
  dataOfVariable,
  isLasting,
  type FoundData,
} from '../inspect/data-places';
import { requireString } from '../protocol/registry';
import type { HandlerTable } from '../protocol/table';
import type { Session } from '../session';

const kinds: Readonly<Record<DP.DataBreakpointAccessType, WatchKind>> = {
  read: 'read',
  write: 'write',
  readWrite: 'access',
};

/** A data breakpoint as DAP describes it. */
export function describeData(b: DataBreakpoint): DP.Breakpoint {
  const verified = b.ranges.length > 0;
  const message = verified ? b.chain : b.reason;
  return {
    id: b.id,
    verified,
    ...(message === undefined ? {} : { message }),
    ...(verified ? {} : { reason: b.guard ? 'pending' : 'failed' }),
  };
}

function find(ctx: Session, args: DP.DataBreakpointInfoArguments): FoundData {
  const name = requireString(args?.name, '"name"');
  const bytes = args.bytes === undefined ? undefined : checkedBytes(args.bytes);
  if (args.asAddress === true) return dataAtAddress(ctx, name, bytes);
  if (args.variablesReference) return dataOfVariable(ctx, args.variablesReference, name, bytes);
  return dataOfExpression(ctx, name, args.frameId, bytes);
}

function specOf(b: DP.DataBreakpoint): DataSpec {
  const accessType = b.accessType ?? 'write';
  if (!Object.hasOwn(kinds, accessType))
    throw new UserError(`The access type "${String(accessType)}" is none of read, write, readWrite.`);
  const { condition, hitCondition } = b;
  for (const [name, value] of Object.entries({ condition, hitCondition })) {
    if (value !== undefined && typeof value !== 'string')
      throw new UserError(`The "${name}" of a breakpoint must be a string.`);
  }
  return {
    dataId: requireString(b.dataId, 'the dataId of a data breakpoint'),
    kind: kinds[accessType],
    ...(condition === undefined ? {} : { condition }),
    ...(hitCondition === undefined ? {} : { hitCondition }),
  };
}

export const handlers: Partial<HandlerTable> = {
  dataBreakpointInfo(ctx, args) {
    try {
      const { place, show } = find(ctx, args);
      checkedBytes(place.bytes);
      const dataId = formatDataId(place);
      const { data } = ctx.requireControl();
      if (show) data.remember(dataId, show);
      const target = ctx.requireTarget();
      const found = resolve(target, place, ctx.control?.lastStop?.cpu ?? target.machine.schedule.current);
      const where = typeof found === 'string' ? 'not mapped yet' : found.chain;
      const size = `${place.bytes} byte${place.bytes === 1 ? '' : 's'}`;
      return {
        dataId,
        description: `${place.name} (${size}, ${where})`,
        accessTypes: ['read', 'write', 'readWrite'],
        canPersist: isLasting(ctx, place),
      };
    } catch (error) {
      // Not an error of the request: DAP's answer is that there is no such breakpoint, and why.
      if (error instanceof UserError) return { dataId: null, description: error.message };
      throw error;
    }
  },

  setDataBreakpoints(ctx, args) {
    if (!Array.isArray(args?.breakpoints))
      throw new UserError('"setDataBreakpoints" needs a list of breakpoints.');
    const made = ctx.requireControl().data.replace(args.breakpoints.map(specOf));
    return { breakpoints: made.map(describeData) };
  },
};
