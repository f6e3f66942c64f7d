/** The verifier accepts what the Builder makes and finds each kind of mistake, also those that the Builder cannot make. */
import assert from 'node:assert/strict';
import { Builder } from './builder';
import { Val, type Access, type Stmt } from './nodes';
import { common } from './state';
import { verify } from './verify';

const write: Access = { kind: 'write', bytes: 8, elem: 8, flags: 0 };
const read: Access = { ...write, kind: 'read' };

/** The problems of a body that `make` builds. */
function problems(make: (b: Builder) => void, edit: (body: Stmt[]) => void = () => undefined): string[] {
  const b = new Builder();
  make(b);
  edit(b.body);
  return verify(b.body);
}

const finds = (expected: RegExp, found: readonly string[]): void =>
  assert.ok(
    found.some((p) => expected.test(p)),
    `expected ${expected}, found: ${found.join('; ') || 'nothing'}`,
  );

describe('IR verifier', () => {
  it('accepts a store: probe, state, memory, commit', () => {
    const found = problems((b) => {
      const host = b.probe(b.pc(), write);
      b.set(common.left, b.i32(3));
      b.st(8, host, b.pc());
      b.commit(host, write);
    });
    assert.deepEqual(found, []);
  });

  it('accepts a loop that counts down, and an exit in one branch', () => {
    const found = problems((b) => {
      const n = b.local('n', b.get(common.left));
      b.loop((l) => {
        const next = b.addi(b.read(n), -1);
        b.assign(n, next);
        b.if(b.eqz(next), () => b.break(l));
      });
      b.if(b.read(n), () => b.exit('stop'));
      b.set(common.left, b.read(n));
    });
    assert.deepEqual(found, []);
  });

  it('finds a value of one branch that is used behind it', () => {
    const found = problems((b) => {
      let inner = b.i32(0);
      b.if(b.get(common.left), () => (inner = b.get(common.bank)));
      b.set(common.left, inner);
    });
    finds(/set left uses a get value that is not bound there/, found);
  });

  it('finds a local that is read before it is assigned', () => {
    const other = new Builder();
    const local = other.local('stranger', other.i32(1));
    finds(
      /local stranger is read before/,
      problems((b) => b.set(common.left, b.read(local))),
    );
  });

  it('finds a write before a probe, in a branch too, but not in one that ends', () => {
    finds(
      /state\.left is written before a probe/,
      problems((b) => {
        b.if(b.get(common.bank), () => b.set(common.left, b.i32(1)));
        b.ld(8, b.probe(b.pc(), read));
      }),
    );
    assert.deepEqual(
      problems((b) => {
        b.if(b.get(common.bank), () => b.branch(b.i64(0)));
        b.set(common.left, b.wrap(b.ld(8, b.probe(b.pc(), read))));
      }),
      [],
    );
  });

  it('finds a loop that writes in one round and probes in the next', () => {
    finds(
      /a loop both writes and probes/,
      problems((b) =>
        b.loop((l) => {
          const v = b.ld(8, b.probe(b.pc(), read));
          b.set(common.pc, v);
          b.if(b.get(common.left), () => b.break(l));
        }),
      ),
    );
  });

  it('finds what stands behind a commit', () => {
    const late = (what: (b: Builder, host: Val) => void): string[] =>
      problems((b) => {
        const host = b.probe(b.pc(), write);
        b.commit(host, write);
        what(b, host);
      });
    finds(
      /state\.left is written behind a commit/,
      late((b) => b.set(common.left, b.i32(1))),
    );
    finds(
      /memory is written behind a commit/,
      late((b, host) => b.st(4, host, b.i32(1))),
    );
    finds(
      /a commit stands behind a commit/,
      late((b, host) => b.commit(host, write)),
    );
    finds(
      /a probe stands behind a commit/,
      late((b) => b.probe(b.pc(), write)),
    );
  });

  it('finds statements behind the end of their list', () => {
    finds(
      /a set stands behind the end/,
      problems(
        (b) => b.exit('branch'),
        (body) => body.push({ k: 'set', field: common.left, index: 0, off: 0, v: new Builder().i32(1) }),
      ),
    );
    finds(
      /a set stands behind the end/,
      problems((b) => {
        b.if(
          b.get(common.left),
          () => b.exit('branch'),
          () => b.exit('stop'),
        );
        b.set(common.left, b.i32(1));
      }),
    );
  });

  it('finds operands of the wrong type and number', () => {
    const wide = new Builder().i64(1);
    const narrow = new Builder().i32(1);
    const bind = (v: Val) => (body: Stmt[]) => body.push({ k: 'let', v });
    const none = (): void => undefined;
    finds(
      /pure takes i64, not i32/,
      problems(none, bind(new Val({ k: 'pure', op: 'add' }, 'i64', [wide, narrow]))),
    );
    finds(/pure has 1 operands/, problems(none, bind(new Val({ k: 'pure', op: 'add' }, 'i64', [wide]))));
    finds(/pure is i64, not i32/, problems(none, bind(new Val({ k: 'pure', op: 'eqz' }, 'i64', [wide]))));
    finds(
      /conv takes i64, not i32/,
      problems(none, bind(new Val({ k: 'conv', op: 'wrap' }, 'i32', [narrow]))),
    );
    finds(
      /float takes i64, not i32/,
      problems(none, bind(new Val({ k: 'float', op: 'mul' }, 'i64', [wide, narrow]))),
    );
    finds(
      /float has 2 operands/,
      problems(none, bind(new Val({ k: 'float', op: 'sqrt' }, 'i64', [wide, wide]))),
    );
    finds(
      /select takes i32, not i64/,
      problems(none, bind(new Val({ k: 'select' }, 'i64', [wide, wide, wide]))),
    );
  });

  it('finds a value that is used more often than it counts, which the emitter would compute twice', () => {
    let v: Val | undefined;
    finds(
      /a get value counts 1 uses but has 2/,
      problems(
        (b) => {
          v = b.get(common.left);
          b.set(common.left, v);
        },
        (body) => body.push({ k: 'set', field: common.bank, index: 0, off: 0, v: v! }),
      ),
    );
  });

  it('keeps instructions and routines apart', () => {
    const b = new Builder();
    b.ret(b.i32(1));
    finds(/return in an instruction/, verify(b.body));
    finds(/return of i32, not nothing/, verify(b.body, { k: 'routine', params: [] }));
    assert.deepEqual(verify(b.body, { k: 'routine', params: [], result: 'i32' }), []);
    const ends = new Builder();
    ends.if(ends.param(0, 'i32'), () => ends.ret(ends.i64(1)));
    finds(/can end without its i64/, verify(ends.body, { k: 'routine', params: ['i32'], result: 'i64' }));
    finds(/an instruction has no parameters/, verify(ends.body));
    const exits = new Builder();
    exits.exit('stop');
    finds(/exit\(stop\) in a routine/, verify(exits.body, { k: 'routine', params: [] }));
  });
});
