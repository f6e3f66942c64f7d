import assert from 'node:assert/strict';
import { hostCalls } from '../../emulator/codegen/memory';
import { Translatability } from '../../emulator/codegen/region/instruction';
import type { Builder } from '../../emulator/ir/builder';
import { common } from '../../emulator/ir/state';
import { a64Isa } from '../../emulator/isa/a64';
import type { Row } from '../../emulator/isa/dsl/row';

/** What the translator makes of an instruction that does this. */
function translated(exec: Row['exec']): ReturnType<Translatability['instruction']> {
  const row: Row = { ...a64Isa.rows[0]!, shape: [], derive: () => ({}), exec };
  return new Translatability(a64Isa).instruction(0, () => ({ row, fields: {} }));
}

const callHost = (b: Builder): void => void b.call(hostCalls.decode, b.cpu(), b.i32(0));
const asks = (b: Builder): ReturnType<Builder['get']> => b.get(common.eventMask);

describe('an instruction that may leave a region', () => {
  it('is translated where it leaves on one way only', () => {
    const found = translated((b) => b.if(asks(b), () => callHost(b)));
    assert.equal(found?.cold.size, 1);
  });

  it('is left to the interpreter where it leaves on either way', () => {
    const either = (b: Builder): void =>
      b.if(
        asks(b),
        () => callHost(b),
        () => callHost(b),
      );
    assert.equal(translated(either), undefined);
    // Of two such ways inside of another, that one leaves.
    assert.ok(translated((b) => b.if(b.get(common.bank), () => either(b))));
  });

  it('ends the region behind it where it only asks for a look at what comes before the next one', () => {
    const found = translated((b) => {
      b.set(common.bank, b.i32(0));
      b.if(asks(b), () => b.branch(b.addi(b.pc(), 4), 'recheck'));
    });
    assert.ok(found);
    assert.deepEqual([found.cold.size, found.targets, found.falls], [0, [], true]);
  });

  it('is left to the interpreter where a routine has set the PC', () => {
    assert.equal(
      translated((b) => {
        b.syncPc();
        b.call(a64Isa.routines.raiseUndefined);
        b.exit('recheck');
      }),
      undefined,
    );
  });

  it('is left to the interpreter where it has changed something before', () => {
    const changes = (b: Builder): void => {
      b.set(common.bank, b.i32(0));
      b.if(asks(b), () => callHost(b));
    };
    assert.equal(translated(changes), undefined);
  });
});
