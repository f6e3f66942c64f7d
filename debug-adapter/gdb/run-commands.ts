/** Packets that let the guest run. All CPUs run together, by the machine's own schedule, whatever gdb's scheduler says. */
import { UserError } from '../errors';
import type { Command, GdbClient } from './client';
import { hexNumber, MALFORMED } from './packets';
import { threadCpu } from './threads';

interface Action {
  readonly kind: string;
  readonly from: bigint;
  readonly to: bigint;
  readonly cpu: number | 'any';
}

/** `s:1`, `c`, `r40080000,40080010:1` */
function parse(c: GdbClient, text: string): Action | undefined {
  const [, kind = '', values = '', thread] = /^([csCSrt])([0-9a-f,]*)(?::(.+))?$/i.exec(text) ?? [];
  const cpu = thread === undefined ? 'any' : threadCpu(c, thread);
  if (kind === '' || cpu === undefined) return undefined;
  const [from, to] = values.split(',').map(hexNumber);
  if (kind === 'r' && (from === undefined || to === undefined)) return undefined;
  return { kind: kind.toLowerCase(), from: from ?? 0n, to: to ?? 0n, cpu };
}

function requireOn(c: GdbClient, cpu: number): void {
  if (c.control.target.machine.schedule.on[cpu] === false)
    throw new UserError(`CPU ${cpu} is off: step another one, or continue until it is started.`);
}

function step(c: GdbClient, cpu: number, range?: { from: bigint; to: bigint }): string | undefined {
  requireOn(c, cpu);
  if (c.isPastAccess(cpu)) return c.stopReply(undefined);
  return c.run(() => {
    if (range) c.control.stepRange(cpu, range.from, range.to);
    else c.control.step(cpu, 'in', 'instruction');
  });
}

const goOn = (c: GdbClient): string | undefined => c.run(() => c.control.resume());

/** The first action that steps decides; the others run along. */
function vCont(c: GdbClient, rest: string): string | undefined {
  const actions = rest.split(';').map((a) => parse(c, a));
  if (actions.some((a) => a === undefined)) return MALFORMED;
  const known = actions as Action[];
  const stepped = known.find((a) => a.kind === 's' || a.kind === 'r');
  if (stepped) {
    const cpu = stepped.cpu === 'any' ? c.cpu : stepped.cpu;
    return step(c, cpu, stepped.kind === 'r' ? stepped : undefined);
  }
  if (known.some((a) => a.kind === 'c')) return goOn(c);
  c.interrupt();
  return 'OK';
}

/** Before vCont: perhaps a signal, perhaps an address to go on from. */
function from(c: GdbClient, text: string): boolean {
  if (text === '') return true;
  const address = hexNumber(text);
  const pc = c.control.target.guest.isa.find('pc');
  if (address === undefined || c.control.running) return false;
  pc?.write?.(c.control.target.guest.cpu(c.cpu), address);
  return true;
}

const withSignal = (rest: string): string => /^[0-9a-f]{2};?(.*)$/i.exec(rest)?.[1] ?? '';

export const runCommands: Readonly<Record<string, Command>> = {
  'vCont?': () => 'vCont;c;C;s;S;t;r',
  'vCont;': vCont,
  c: (c, rest) => (from(c, rest) ? goOn(c) : MALFORMED),
  s: (c, rest) => (from(c, rest) ? step(c, c.cpu) : MALFORMED),
  C: (c, rest) => (from(c, withSignal(rest)) ? goOn(c) : MALFORMED),
  S: (c, rest) => (from(c, withSignal(rest)) ? step(c, c.cpu) : MALFORMED),
};
