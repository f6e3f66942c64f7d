import assert from 'node:assert/strict';
import { a64Rows } from '../isa/a64/rows';
import { assemble } from './assemble';
import { completionsAt, describeAt } from './line-index';

const isa = { name: 'a64', rows: a64Rows };

/** Describes what stands where `|` is. */
function at(marked: string): ReturnType<typeof describeAt> {
  return describeAt(isa, marked.replace('|', ''), marked.indexOf('|') + 1);
}

describe('Under the cursor', () => {
  it('an instruction, with its forms', () => {
    const d = at('label: a|dd x0, x1, #4 // text');
    assert.equal(d?.kind, 'instruction');
    assert.deepEqual([d.text, d.column, d.endColumn], ['add', 8, 11]);
    assert.ok(d.docs?.some((t) => /Adds an immediate/.test(t)));
    assert.ok(d.forms?.some((f) => f.includes('<addimm:sh,imm12>')));
  });

  it('a system register, in any case', () => {
    const d = at('mrs x0, HCR_|el2');
    assert.equal(d?.kind, 'sysreg');
    assert.equal(d.sysreg?.name, 'HCR_EL2');
    assert.deepEqual(d.sysreg?.encoding, [3, 4, 1, 1, 0]);
    assert.equal(at('msr scr_|el3, x0')?.sysreg?.name, 'SCR_EL3');
  });

  it('the right one of several statements', () => {
    assert.equal(at('nop; wf|i; ret')?.text, 'wfi');
    assert.equal(at('no|p; wfi')?.text, 'nop');
  });

  it('operations, registers, directives, numbers, names', () => {
    assert.equal(at('tlbi vmalls|12e1is')?.kind, 'operation');
    assert.equal(at('mov x|0, x1')?.kind, 'register');
    assert.equal(at('.ba|lign 8')?.kind, 'directive');
    assert.equal(at('mov x0, #0x1|0')?.value, 16n);
    assert.equal(at('bl so|me.where')?.text, 'some.where');
    assert.equal(at('my_ma|cro 1')?.kind, 'name');
  });

  it('nothing in comments and blanks', () => {
    assert.equal(at('nop // ad|d'), undefined);
    assert.equal(at('nop | // add'), undefined);
    assert.equal(at('/* ad|d */'), undefined);
  });

  it('completes what can begin a statement, and what an operand can be', () => {
    const result = assemble({
      main: 'm.S',
      read: () => 'start: nop\n.macro both\nnop\n.endm\n.equ ONE, 1\n',
      isa,
    });
    const labels = (line: string): string[] =>
      completionsAt(isa, line, line.length + 1, result).map((c) => c.label);
    assert.ok(['add', 'eret', '.macro', 'both'].every((l) => labels('\t').includes(l)));
    assert.ok(labels('a: ad').includes('adrp'));
    assert.ok(labels('mrs x0, ').includes('hcr_el2') && labels('msr ').includes('vbar_el3'));
    assert.ok(labels('tlbi ').includes('alle2') && !labels('tlbi ').includes('ivau'));
    assert.deepEqual(labels('b ').sort(), ['ONE', 'start']);
    assert.ok(labels('nop; ').includes('ret'));
  });
});
