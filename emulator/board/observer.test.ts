import assert from 'node:assert/strict';
import { powerOff, program, Run } from '../../test/support/program';
import { eventBit, EventKind } from '../isa/a64/events';
import { state } from '../isa/a64/state';
import type { WatchedAccess } from '../core/watch';

/** EL2 enters EL1 three times with X1 = 1, 2, 3; the guest stores X1 and comes back by HVC. */
const source = `
  .global _start
_start:
  adr x0, vectors
  msr vbar_el2, x0
  mov x0, #0x80000000
  msr hcr_el2, x0
  adrp x2, place
  mov x1, #0
again:
  add x1, x1, #1
  adr x0, guest
  msr elr_el2, x0
  mov x0, #0x3c5
  msr spsr_el2, x0
  eret
guest:
  str x1, [x2]
  hvc #1
  .balign 2048
vectors:
  .skip 0x400
  cmp x1, #3
  b.lo again
  ${powerOff}
  .bss
  .balign 4096
place: .skip 4096
`;

describe('observers of a run', () => {
  it('see each return, exception and store with the state of the CPU, and change nothing', () => {
    const image = program(source);
    const plain = new Run(image).toEnd();
    const observed = new Run(image);
    const { computer } = observed;
    const { machine } = computer;
    const seen: string[] = [];
    computer.onGuestEvent = (e) => {
      const el = machine.state.get(e.cpu, state.el);
      const name = e.kind === EventKind.eret ? 'eret' : 'entry';
      seen.push(
        `${name} at EL${el} x1=${machine.state.get(e.cpu, state.x, 1)} pc=${machine.pc(e.cpu).toString(16)}`,
      );
    };
    machine.setEvents(eventBit('eret') | eventBit('entry'), 0);
    const stores: WatchedAccess[] = [];
    machine.watch.onAccess = (a) => {
      stores.push(a);
      return false;
    };
    const range = { pa: plain.x(2), bytes: 8, kind: 'write' } as const;
    machine.watch.add(range);
    observed.toEnd();
    const eret = '4008002c';
    const vector = '40080c00';
    assert.deepEqual(
      seen,
      [1, 2, 3].flatMap((n) => [`eret at EL2 x1=${n} pc=${eret}`, `entry at EL2 x1=${n} pc=${vector}`]),
    );
    assert.deepEqual(
      stores.map((a) => [a.before[0], a.after[0], a.write]),
      [
        [0, 1, true],
        [1, 2, true],
        [2, 3, true],
      ],
    );
    machine.setEvents(0, 0);
    machine.watch.remove(range);
    assert.equal(machine.hash(), plain.computer.machine.hash());
  });
});
