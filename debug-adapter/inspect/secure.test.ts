/** What the debugger says of EL3 and Secure state. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { run } from '../trace-main';
import { InspectBench, SAMPLE } from './testing/bench';

const PROGRAM = path.join(__dirname, 'testing/el3.S');
const bench = (): InspectBench => new InspectBench({ program: PROGRAM, memory: '16M', secure: true, smp: 2 });

describe('a machine with EL3', () => {
  it('starts all CPUs at EL3, and has registers of EL3 to look at and to change', async () => {
    const b = bench();
    assert.deepEqual(await b.stack(), ['_start']);
    assert.equal(await b.evaluate('CurrentEL.EL'), '0x3 (EL3)');
    assert.deepEqual(b.target.machine.schedule.on.slice(0, 2), [true, true]);
    await b.set('EL3 system registers', ['Trap control', 'SCR_EL3'], '0x401');
    const scr = await b.variable('EL3 system registers', 'Trap control', 'SCR_EL3');
    assert.equal(scr.value, '0x431 NS RW');
    const ns = await b.variable('EL3 system registers', 'Trap control', 'SCR_EL3', 'NS');
    assert.equal(ns.value, '1 (Non-secure below EL3)');
    for (const group of ['Translation', 'Exception', 'Timer', 'GIC', 'Thread'])
      await b.variable('EL3 system registers', group);
    const plain = new InspectBench({ program: SAMPLE });
    await assert.rejects(plain.scope('EL3 system registers'), /there is no scope/);
    await assert.rejects(
      plain.ask('readMemory', { memoryReference: 'EL3:0x40080000', count: 4 }),
      /no EL3.*"secure": true/,
    );
    await assert.rejects(plain.evaluate('SCR_EL3'));
  });

  it('shows a call to EL3 in stop, stack, syndrome and trace', async () => {
    const b = bench();
    const called = await b.runTo('trap-entry');
    assert.match(called.description, /trap entry.*SMC #5 from EL2/);
    assert.deepEqual(await b.stack(), ['vectors', '<SMC #5 from EL2>', 'hypervisor']);
    const { value } = await b.variable('Syndrome', 'What');
    assert.match(value, /SMC #5 at EL2, taken to EL3 \(EC 0x17\)/);
    assert.match((await b.variable('Syndrome', 'Why')).value, /SMC at EL2 is taken to EL3/);
    const { lines } = await b.ask('worldswitch/trace', { last: 1, subscribe: false });
    assert.match(lines[0] ?? '', /EL2 -> EL3 {2}SMC #5 x0=0x\w+ {2}hypervisor\+0x8.* -> vectors/);
  });

  it('translates addresses of EL3, stops at them, and leaves by ERET', async () => {
    const b = bench();
    await b.runToFunction('hypervisor');
    const text = await b.evaluate('walk EL3:0x80080000', 'repl');
    assert.match(text, /stage 1 of 0x80080000 in EL3 by TTBR0_EL3/);
    assert.match(text, /PA 0x40080000/);
    assert.match(text, /^ *EL3: read, write, execute$/m);
    const read = async (at: string): Promise<string | undefined> =>
      (await b.ask('readMemory', { memoryReference: at, count: 8 }))?.data;
    assert.equal(await read('EL3:0x80080000'), await read('PA:0x40080000'));
    const handle = BigInt((await b.evaluate('&handle')).split(' ')[0] ?? '') + 0x40000000n;
    await b.ask('setInstructionBreakpoints', {
      breakpoints: [{ instructionReference: `EL3:0x${handle.toString(16)}` }],
    });
    await b.continue();
    const { instructionPointerReference } = await b.frame();
    assert.equal(instructionPointerReference, `EL3:0x${handle.toString(16)}`);
    await b.ask('setInstructionBreakpoints', { breakpoints: [] });
    const left = await b.runTo('trap-exit');
    assert.match(left.description, /trap exit.*ERET to EL1 at/);
  });

  it('is traced without an editor to the end, by the GPIO of Secure state', async () => {
    const printed: string[] = [];
    const code = await run([PROGRAM, '--secure', 'on', '--memory', '16M'], (text) => printed.push(text));
    const levels = printed.join('').match(/EL\d -> EL\d {2}(?:SMC #\d|ERET)/g);
    assert.deepEqual(levels, [
      'EL3 -> EL2  ERET',
      'EL2 -> EL3  SMC #5',
      'EL3 -> EL1  ERET',
      'EL1 -> EL3  SMC #6',
    ]);
    assert.equal(code, 0);
    assert.match(printed.join(''), /Secure GPIO line 0 by CPU 0/);
  });

  it('tells Secure EL1 from a guest', async () => {
    const b = bench();
    await b.runToFunction('hypervisor');
    // Stage 2 is set up, but not for Secure state.
    await b.set('EL2 system registers', ['Trap control', 'HCR_EL2'], '0x80000001');
    const report = await b.runToFunction('payload');
    assert.match(report.text ?? report.description, /payload|breakpoint/);
    assert.equal(b.target.arch.levelText(0), 'EL1 secure');
    assert.equal((await b.frame()).instructionPointerReference?.split(':')[0], 'EL1');
    assert.equal(b.target.arch.context(0).vmid, undefined);
  });
});
