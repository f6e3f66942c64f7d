/** Records that generated code writes by itself are those that the host would have written. */
import assert from 'node:assert/strict';
import { Computer, type ComputerConfig } from '../../emulator/board/computer';
import { stressTranslation } from '../../emulator/core/translator';
import { eventBit } from '../../emulator/isa/a64/events';
import { buildProgram } from '../../test/hypervisor/program';
import { cases } from '../../test/hypervisor/stories';
import { program } from '../../test/support/program';
import { Random, seed } from '../../test/support/random';
import { TRACE_LENGTH, type RawRecord } from '../trace/ring';
import { LoopDetector } from '../control/loops';
import { traced } from './a64-trace';
import { A64 } from './a64';
import type { TraceEvent } from './types';

/** What the stories need. */
const MEMORY = 512 << 20;

/** Instructions behind all random steps, so that each story has come to something. */
const LAST = 600_000;

/** A machine with its trace, as a target has them. */
class Traced {
  readonly computer: Computer;
  readonly arch: A64;
  /** Calls of the host. */
  calls = 0;
  interrupt: string | undefined;
  /** The instruction counts at which loops were found. */
  readonly loops: string[] = [];
  private readonly detector = new LoopDetector();

  constructor(config: ComputerConfig, quiet: boolean) {
    this.computer = new Computer(config);
    this.arch = new A64(this.computer.machine, this.computer.board);
    const { ring } = this.arch.trace;
    this.computer.onEventCall = (block, kind) => {
      this.calls++;
      this.arch.trace.event(block, kind);
    };
    ring.onRecord = (record) => this.see(record, true);
    ring.onPassed = ({ entries, interrupt }) => {
      for (const record of entries) this.see(record, false);
      if (interrupt) this.interrupt = this.nameOf(interrupt);
    };
    this.computer.machine.setEvents(
      traced.reduce((mask, name) => mask | eventBit(name), 0),
      0,
    );
    this.arch.trace.isQuiet = quiet;
  }

  private see(record: RawRecord, isInterrupt: boolean): void {
    if (isInterrupt && record.flags & 1) this.interrupt = this.nameOf(record);
    if (this.detector.see(record)) this.loops.push(`${record.cpu}@${record.count}`);
  }

  private readonly nameOf = (r: RawRecord): string => `${r.cpu}: ${r.pc} at ${r.count}`;

  run(instructions: number): string {
    const { machine } = this.computer;
    const { kind, cpu } = machine.run({ instructions });
    this.arch.trace.ring.catchUp();
    return `${kind} ${cpu} ${machine.now()} ${machine.pc(cpu)}`;
  }

  /** All that a record says, and the registers that only some are asked for. */
  events(count: number): string[] {
    const text = (e: TraceEvent): string => {
      const { registers, ...rest } = e;
      const asked = ['HCR_EL2', 'SCTLR_EL1', 'MDCR_EL2', 'HPFAR_EL2', 'ESR_EL2', 'SPSR_EL2', 'FAR_EL1'];
      const shown = { ...rest, registers: asked.map((name) => registers(name)) };
      return JSON.stringify(shown, (_, v: unknown) => (typeof v === 'bigint' ? v.toString(16) : v));
    };
    return this.arch.trace.ring.last(count).map(text);
  }
}

function compare(
  config: ComputerConfig,
  steps: number,
  longest: number,
  from = 0,
): { told: Traced; quiet: Traced } {
  const told = new Traced({ ...config, translate: false }, false);
  const quiet = new Traced({ ...config, translate: stressTranslation }, true);
  if (from) assert.equal(quiet.run(from), told.run(from));
  const random = new Random(seed);
  for (let step = 0; step < steps; step++) {
    const instructions = 1 + random.below(random.pick([3, 300, longest]));
    const at = `step ${step} (SEED=${seed})`;
    assert.equal(quiet.run(instructions), told.run(instructions), at);
    assert.deepEqual(quiet.events(50), told.events(50), at);
    assert.equal(quiet.interrupt, told.interrupt, at);
    assert.deepEqual(quiet.loops, told.loops, at);
  }
  if (from !== undefined) assert.equal(quiet.run(LAST), told.run(LAST));
  assert.deepEqual(quiet.events(TRACE_LENGTH), told.events(TRACE_LENGTH), `the end (SEED=${seed})`);
  return { told, quiet };
}

/** Stories, and after how many instructions their guests begin. */
const stories = { 'smp.S': 600_000, timer: 0, 'faulting, VHE': 0, 'exit storm': 500_000 };

describe('the trace that generated code writes', () => {
  for (const [name, from] of Object.entries(stories))
    it(`is that of the host: reference hypervisor, ${name}`, () => {
      const found = cases.find((c) => c.name === name);
      assert.ok(found);
      const { story, cpus, cpu } = found;
      const image = buildProgram(story).elf;
      const config = { cpus, memoryBytes: MEMORY, image, ...(cpu === undefined ? {} : { cpu }) };
      const { told, quiet } = compare(config, 15, 60_000, from);
      if (name === 'exit storm') assert.equal(quiet.computer.machine.hash(), told.computer.machine.hash());
      assert.ok(told.calls > 100 && quiet.calls < told.calls / 2, `${quiet.calls} of ${told.calls} calls`);
    });

  it('goes round without losing anything, and calls the host once in each round', () => {
    // SVC, and back; an exception of each kind now and then.
    const image = program(`
	.global _start
_start:	ldr	x0, =vectors
	msr	vbar_el2, x0
	mov	x0, #1 << 31
	msr	hcr_el2, x0
	adr	x0, low
	msr	elr_el2, x0
	mov	x0, #0x3c5
	msr	spsr_el2, x0
	eret
low:	add	x1, x1, #1
	nop
	hvc	#7
	b	low
	.balign	2048
vectors:
	.skip	0x400
	nop
	eret
	`);
    const { told, quiet } = compare({ cpus: 1, memoryBytes: 4 << 20, image }, 40, 20_000);
    assert.ok(told.calls > 3 * TRACE_LENGTH, `${told.calls} calls`);
    assert.equal(quiet.loops.length, 0);
    // One for each time that the ring is full, and those of the first entry, which is near the beginning.
    const rounds = told.calls / TRACE_LENGTH;
    assert.ok(quiet.calls <= rounds + 2, `${quiet.calls} calls in ${rounds} rounds`);
  });

  it('leaves a loop of exceptions to the host', () => {
    const image = program(`
	.global _start
_start:	mov	x0, #0x1000
	msr	vbar_el2, x0
	mov	x9, #9
1:	subs	x9, x9, #1
	b.ne	1b
	svc	#0
	`);
    const { told, quiet } = compare({ cpus: 1, memoryBytes: 4 << 20, image }, 20, 300);
    assert.ok(told.loops.length > 2);
    assert.ok(quiet.calls > 64 && quiet.calls <= told.calls);
  });

  it('is told again when somebody follows it', () => {
    const image = buildProgram('stories/smp.S').elf;
    const t = new Traced({ cpus: 4, memoryBytes: MEMORY, image }, true);
    t.run(900_000);
    assert.ok(t.arch.trace.ring.last(TRACE_LENGTH).length > 20);
    const before = t.calls;
    t.arch.trace.isQuiet = false;
    const records = t.arch.trace.ring.last(TRACE_LENGTH).length;
    t.run(50_000);
    const told = t.arch.trace.ring.last(TRACE_LENGTH).length - records;
    assert.ok(told > 0 && t.calls - before >= told, `${told} records, ${t.calls - before} calls`);
  });
});
