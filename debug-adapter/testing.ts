/** For specs: a guest from assembly text, with its run control and a queue of what it reports. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Control } from './control';
import type { EndReport, StopReport } from './control/types';
import { parseLaunch } from './launch/config';
import { Target } from './target';

export type Report = StopReport | EndReport;

export interface TestGuest {
  readonly target: Target;
  readonly control: Control;
  /** The source file. */
  readonly file: string;
  /** Console text so far. */
  readonly console: () => string;
  readonly messages: string[];
  /** Numbers of breakpoints that were verified later. */
  readonly verified: number[];
  /** Modules of a kernel that have come (`+`), changed (`=`) and gone (`-`). */
  readonly modules: string[];
  /** The next stop or end. */
  next(): Promise<Report>;
  /** Does something, and waits for the stop that follows. @throws Error if the guest ends instead */
  stop(action: () => void): Promise<StopReport>;
  /** The line of a label or of text in the source, from 1. */
  lineOf(text: string): number;
  /** `symbol+offset` or `symbol` of a CPU's PC. */
  where(cpu?: number): string;
}

const folders: string[] = [];
process.once('exit', () => folders.forEach((f) => rmSync(f, { recursive: true, force: true })));

/** Builds a guest from assembly. The source gets a folder of its own, removed when the process ends. */
export function testGuest(source: string, launch: Record<string, unknown> = {}): TestGuest {
  const folder = mkdtempSync(path.join(tmpdir(), 'worldswitch-guest-'));
  folders.push(folder);
  const file = path.join(folder, 'main.S');
  writeFileSync(file, source);
  return debugged(Target.launch(parseLaunch({ program: file, memory: '16M', ...launch })), file, source);
}

/** Run control for a launched guest. */
export function debugged(target: Target, file: string, source: string): TestGuest {
  const reports: Report[] = [];
  const waiting: ((r: Report) => void)[] = [];
  const report = (r: Report): void => {
    const first = waiting.shift();
    if (first) first(r);
    else reports.push(r);
  };
  let text = '';
  const messages: string[] = [];
  const verified: number[] = [];
  const modules: string[] = [];
  const control = new Control(target, {
    resumed: () => undefined,
    stopped: report,
    ended: report,
    console: (bytes) => (text += new TextDecoder().decode(bytes)),
    message: (m) => messages.push(m),
    trace: () => undefined,
    followsTrace: () => false,
    breakpointChanged: (id) => verified.push(id),
    modulesChanged: ({ added, changed, removed }) => {
      for (const [sign, list] of Object.entries({ '-': removed, '+': added, '=': changed }))
        modules.push(...list.map((m) => sign + m.name));
    },
  });
  const next = (): Promise<Report> => {
    const first = reports.shift();
    return first ? Promise.resolve(first) : new Promise((resolve) => waiting.push(resolve));
  };
  return {
    target,
    control,
    file,
    console: () => text,
    messages,
    verified,
    modules,
    next,
    stop: async (action) => {
      action();
      const r = await next();
      if ('kind' in r) throw new Error(`the guest ended: ${r.reason}`);
      return r;
    },
    lineOf: (wanted) => source.split('\n').findIndex((l) => l.includes(wanted)) + 1,
    where: (cpu = 0) => {
      const symbol = target.symbols.symbolAt(control.target.machine.pc(cpu));
      if (!symbol) return `0x${control.target.machine.pc(cpu).toString(16)}`;
      return symbol.offset === 0n ? symbol.name : `${symbol.name}+${symbol.offset}`;
    },
  };
}

/** A guest that powers off by PSCI (SYSTEM_OFF by SMC). */
export const POWER_OFF = `
	ldr	x0, =0x84000008
	smc	#0
`;

/** EL2 switches its MMU on with the tables at X5: 39 bits, attribute 0 write-back. X6 is lost. */
export const EL2_MMU_ON = `
	msr	ttbr0_el2, x5
	ldr	x6, =0x80803519
	msr	tcr_el2, x6
	mov	x6, #0xff
	msr	mair_el2, x6
	isb
	mov	x6, #1
	movk	x6, #0x30c5, lsl #16
	msr	sctlr_el2, x6
	isb
`;
