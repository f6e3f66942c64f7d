import assert from 'node:assert/strict';
import path from 'node:path';
import { InspectBench } from '../inspect/testing/bench';
import { testGuest } from '../testing';
import { run } from '../trace-main';
import { TRACE_LENGTH } from './ring';

const VMS = path.join(__dirname, '../inspect/testing/vms');

/** Save, restore and trap of the first turn of all three vcpus; the second has no use for FP. */
const expected = [
  /EL1 -> EL2 {2}FP or SIMD access, FPSIMD trap by CPTR_EL2\.TFP = 1 {2}guest_call\+0x/,
  /EL2 {9}FPSIMD restore of the guest's registers, vcpu 1\.0, during FP or SIMD access.* {2}load_vectors \(.*\) <- give_vectors\+0x/,
  /EL1 -> EL2 {2}FP or SIMD access, FPSIMD trap by CPTR_EL2\.TFP = 1 {2}guest_call\+0x/,
  /EL2 {9}FPSIMD save of the guest's registers, vcpu 1\.0, during FP or SIMD access.* {2}save_vectors \(.*\) <- give_vectors\+0x/,
  /EL2 {9}FPSIMD restore of the guest's registers, vcpu 2\.0, during FP or SIMD access.* {2}load_vectors \(.*\) <- give_vectors\+0x/,
];

function match(lines: readonly string[]): void {
  const found = lines.filter((l) => l.includes('FPSIMD'));
  assert.equal(found.length, expected.length, found.join('\n'));
  expected.forEach((pattern, i) => assert.match(found[i] ?? '', pattern));
}

describe('the trace', () => {
  it('marks saves, restores and traps of FPSIMD with their cause', async () => {
    const b = new InspectBench({ program: VMS, memory: '16M' });
    await b.runToFunction('all_waiting');
    const { lines } = await b.ask('worldswitch/trace', { last: 100, subscribe: false });
    match(lines);
  });

  it('has them in the headless run', async () => {
    const printed: string[] = [];
    const code = await run([VMS, '--memory', '16M'], (text) => printed.push(text));
    assert.equal(code, 0, printed.join(''));
    const lines = printed.join('').split('\n');
    match(lines.slice(0, lines.findLastIndex((l) => l.includes('FPSIMD')) + 1));
  });

  it('records a mark once, whatever stops there and however it is left', async () => {
    const b = new InspectBench({ program: VMS, memory: '16M' });
    await b.runToFunction('load_vectors');
    const marks = (): number => b.target.trace.last(100).filter((e) => e.kind === 'mark').length;
    assert.equal(marks(), 1);
    await b.step();
    assert.equal(marks(), 1);
    // From the call on by single steps: the breakpoint of the mark is never reached in a run.
    await b.runToFunction('give_vectors');
    let steps = 0;
    while (marks() < 2 && steps++ < 20) await b.step();
    assert.equal(marks(), 2, 'stepped over save_vectors');
    assert.match(b.target.trace.last(1)[0]?.mark?.text ?? '', /^FPSIMD save/);
  });

  it('changes nothing in the run', async () => {
    const hashes = [];
    for (const hypervisor of ['auto', 'none']) {
      const b = new InspectBench({ program: VMS, memory: '16M', hypervisor });
      await b.runToFunction('all_waiting');
      hashes.push(b.target.machine.hash());
    }
    assert.equal(hashes[0], hashes[1]);
  });

  it('keeps the last events, with exact instruction counts, when more have come than fit', async () => {
    const g = testGuest(`
	.global	_start
_start:	adr	x0, vectors
	msr	vbar_el2, x0
	mov	x0, #0x80000000
	msr	hcr_el2, x0
	mov	x0, #0x3c5
	msr	spsr_el2, x0
	adr	x0, guest
	msr	elr_el2, x0
	mov	x1, #5000
	eret
guest:	hvc	#7
	b	guest
	.balign	2048
vectors:
	.space	0x400
	sub	x1, x1, #1
	cbz	x1, end
	eret
end:	ldr	x0, =0x84000008
	smc	#0
`);
    g.control.resume();
    const end = await g.next();
    assert.ok('kind' in end && end.kind === 'poweroff');
    const events = g.target.trace.last(TRACE_LENGTH + 1);
    assert.equal(events.length, TRACE_LENGTH);
    assert.equal(events.at(-1)?.kind, 'call');
    // 11 instructions before the guest; hvc, sub, cbz, eret and b for each round; the last has no eret.
    const hvcs = events.filter((e) => e.kind === 'entry').slice(-3);
    assert.deepEqual(
      hvcs.map((e) => e.count),
      [4997n, 4998n, 4999n].map((n) => 10n + 1n + 5n * n),
    );
    assert.equal(g.target.formatter.line(hvcs[2]!).match(/HVC #7 x0=0x[0-9a-f]+ {2}guest /)?.length, 1);
    const found = g.target.trace.findLast((e) => e.kind === 'return');
    assert.equal(found?.count, 10n + 1n + 5n * 4998n + 3n);
  });
});
