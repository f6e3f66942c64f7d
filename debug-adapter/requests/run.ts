/** continue, pause, steps, threads, exceptionInfo. */
import type { DebugProtocol as DP } from '@vscode/debugprotocol';
import type { Granularity, StepKind } from '../control/types';
import { ErrorId, UserError } from '../errors';
import { explainException } from '../inspect/exception-info';
import { requireCpu, waitingVcpus } from '../inspect/threads';
import type { HandlerTable, RequestContext } from '../protocol/table';
import type { Session } from '../session';

interface StepArguments {
  readonly threadId: number;
  readonly granularity?: DP.SteppingGranularity;
}

function requireAlive(ctx: Session): void {
  if (ctx.requireControl().ended)
    throw new UserError('The guest has powered off: restart the session to run it again.', ErrorId.state);
}

function step(ctx: Session, args: StepArguments | undefined, kind: StepKind, request: RequestContext): void {
  requireAlive(ctx);
  requireCpu(ctx, args?.threadId);
  const cpu = ctx.cpuOf(args?.threadId);
  if (ctx.requireTarget().machine.schedule.on[cpu] === false)
    throw new UserError(`CPU ${cpu} is off: step another one, or continue until it is started.`);
  const granularity: Granularity = args?.granularity === 'instruction' ? 'instruction' : 'line';
  request.afterResponse(() => ctx.requireControl().step(cpu, kind, granularity));
}

/** E.g. `CPU 0: EL1 guest, VM 1 vCPU 0, VMID 1`. */
export function threadName(ctx: Session, cpu: number): string {
  const { machine, arch, hypervisor } = ctx.requireTarget();
  if (machine.schedule.on[cpu] === false) return `CPU ${cpu}: off`;
  const { el, vmid } = arch.context(cpu);
  const vcpu = el < 2 && vmid !== undefined ? hypervisor?.currentVcpu(cpu) : undefined;
  const parts = [
    arch.levelText(cpu),
    ...(vcpu ? [`VM ${vcpu.vm} vCPU ${vcpu.vcpu}`] : []),
    ...(vmid === undefined ? [] : [`VMID ${vmid}`]),
  ];
  return `CPU ${cpu}: ${parts.join(', ')}`;
}

export const handlers: Partial<HandlerTable> = {
  continue(ctx, args, request) {
    const control = ctx.requireControl();
    requireAlive(ctx);
    requireCpu(ctx, args?.threadId);
    // A client that asks twice gets what it wants.
    if (!control.running) request.afterResponse(() => control.resume());
    return { allThreadsContinued: true };
  },

  pause(ctx, args, request) {
    const control = ctx.requireControl();
    requireAlive(ctx);
    const cpu = args?.threadId === undefined || args.threadId === 0 ? 0 : ctx.cpuOf(args.threadId);
    request.afterResponse(() => control.pause(cpu));
  },

  next: (ctx, args, request) => step(ctx, args, 'over', request),
  stepIn: (ctx, args, request) => step(ctx, args, 'in', request),
  stepOut: (ctx, args, request) => step(ctx, args, 'out', request),

  threads(ctx) {
    const cpus = ctx.target?.machine.cpus ?? 0;
    return {
      threads: [
        ...Array.from({ length: cpus }, (_, cpu) => ({ id: cpu + 1, name: threadName(ctx, cpu) })),
        ...waitingVcpus(ctx).map(({ id, name }) => ({ id, name })),
      ],
    };
  },

  exceptionInfo(ctx, args) {
    const cpu = ctx.cpuOf(args?.threadId);
    const report = ctx.requireControl().lastStop;
    if (report?.reason === 'data breakpoint' && report.cpu === cpu && report.filters.length === 0)
      return {
        exceptionId: report.description.replace(/^Paused on /, ''),
        description: report.text ?? report.description,
        breakMode: 'always',
        details: { message: report.description },
      };
    if (!report || report.cpu !== cpu || (report.reason !== 'trap' && report.reason !== 'exception'))
      throw new UserError(`CPU ${cpu} has not stopped on an exception.`);
    const { sentences, details } = explainException(ctx, cpu, report.filters);
    const what = (report.text ?? report.description).replace(/\.$/, '');
    return {
      exceptionId: report.filters.join(', ') || report.description.replace(/^Paused( on|:) /, ''),
      description: sentences.length > 0 ? `${what}. ${sentences.join(' ')}` : (report.text ?? what),
      breakMode: 'always',
      details: { message: report.description, ...details },
    };
  },
};
