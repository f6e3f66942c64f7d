/**
 * The threads of a guest: its CPUs, then each vcpu that does not run on one of them. A CPU's thread id is its number
 * plus one. A vcpu keeps the id that it got when it was first seen, whatever others come and go.
 */
import { vcpuName, type Vcpu } from '../hypervisors/types';
import { ErrorId, UserError } from '../errors';
import type { Session } from '../session';
import type { Target } from '../target';
import type { Frame } from './frame';
import { viewOf } from './stop-view';

/** Behind all CPUs that a machine may have. */
const FIRST_VCPU = 1001;

const known = new WeakMap<Target, Map<bigint, number>>();

function idOf(target: Target, vcpu: Vcpu): number {
  let ids = known.get(target);
  if (!ids) known.set(target, (ids = new Map()));
  let id = ids.get(vcpu.pa);
  if (id === undefined) ids.set(vcpu.pa, (id = FIRST_VCPU + ids.size));
  return id;
}

const nameOf = (vcpu: Vcpu): string => `vcpu ${vcpuName(vcpu)} (not running)`;

/** The vcpus that no CPU runs, with their ids; none while the guest runs, whose memory is not looked at. */
export function waitingVcpus(ctx: Session): { id: number; name: string; vcpu: Vcpu }[] {
  const { target, control } = ctx;
  if (!target || !control || control.running) return [];
  return target.hypervisor
    .vcpus()
    .filter((v) => v.runsOn === undefined)
    .map((vcpu) => ({ id: idOf(target, vcpu), name: nameOf(vcpu), vcpu }));
}

const isVcpu = (threadId: unknown): boolean => typeof threadId === 'number' && threadId >= FIRST_VCPU;

/** The call stack of a thread, whatever it is. @throws UserError when there is no such thread */
export function framesOf(ctx: Session, threadId: unknown): readonly Frame[] {
  const view = viewOf(ctx);
  if (!isVcpu(threadId)) {
    const cpu = ctx.cpuOf(threadId);
    // A CPU that is off executes nothing.
    return ctx.requireTarget().machine.schedule.on[cpu] === false ? [] : view.frames(cpu);
  }
  const found = waitingVcpus(ctx).find(({ id }) => id === threadId);
  if (!found)
    throw new UserError(
      `The vcpu of thread ${String(threadId)} runs on a CPU now: ask for the threads again.`,
      ErrorId.stale,
    );
  return view.vcpuFrames(found.vcpu);
}

/** Refuses what only a CPU can do. @throws UserError for the thread of a vcpu */
export function requireCpu(ctx: Session, threadId: unknown): void {
  if (!isVcpu(threadId)) return;
  const name = waitingVcpus(ctx)
    .find(({ id }) => id === threadId)
    ?.name.replace(/ \(.*/, '');
  throw new UserError(
    `${name ?? 'This vcpu'} waits in memory and cannot go on by itself: select a CPU in the call stack, then continue or step.`,
    ErrorId.state,
  );
}
