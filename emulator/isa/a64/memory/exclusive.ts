/**
 * Load-exclusive, store-exclusive, load-acquire and store-release. Arm ARM DDI 0487 B2.12 "Synchronization and
 * semaphores", C4.1 "Load/store exclusive".
 *
 * The local monitor is the pair state.exBytes (0: open) and state.exAddr, a virtual address: a store-exclusive to
 * another virtual address of the same physical one may fail (B2.12.1), and always does here. There is no global
 * monitor: CPUs run in turns, and a change of CPU opens the monitor of the one that leaves. One thread of execution
 * makes every access single-copy atomic and sequentially consistent, so acquire and release need no code.
 */
import type { Access, Val } from '../../../ir/nodes';
import type { Row } from '../../dsl/row';
import { baseAddress, encoding } from './load-store-common';
import { row } from '../row';
import { Flag, type A64 } from '../sem';
import { state } from '../state';
import { UnknownId, unknownNow } from '../unknown';

interface Size {
  readonly suffix: '' | 'b' | 'h';
  readonly reg: 'w' | 'x';
  readonly bits: string;
  readonly bytes: 1 | 2 | 4 | 8;
  readonly what: string;
}

const sizes: readonly Size[] = [
  { suffix: 'b', reg: 'w', bits: '00', bytes: 1, what: 'byte' },
  { suffix: 'h', reg: 'w', bits: '01', bytes: 2, what: 'halfword' },
  { suffix: '', reg: 'w', bits: '10', bytes: 4, what: 'word' },
  { suffix: '', reg: 'x', bits: '11', bytes: 8, what: 'doubleword' },
];

/** Unused register fields are "should be one": the assembler writes 31, the CPU does not look. */
const unusedStore = 'rt2=31';
const unusedLoad = 'rs=31 rt2=31';

const name = (m: string, size: Size): string => `${m.toUpperCase()} (${size.reg.toUpperCase()})`;

const access = (kind: 'read' | 'write', size: Size, count: 1 | 2, ordered: boolean): Access => ({
  kind,
  bytes: size.bytes * count,
  elem: size.bytes,
  flags: Flag.aligned | (ordered ? Flag.acqRel : 0),
});

function mark(s: A64, va: Val, bytes: number): void {
  s.set(state.loadedExclusive, s.i32(1));
  s.set(state.exAddr, va);
  s.set(state.exBytes, s.i32(bytes));
}

/** In strict mode 0 for one store-exclusive in eight: a monitor may be cleared at any time (B2.12.1). */
function monitorKept(s: A64): Val {
  const kept = s.local('kept', s.i32(1));
  s.if(s.get(state.strict), () => {
    s.assign(kept, s.nei(s.bits(s.call(unknownNow, s.i32(UnknownId.monitor)), 0, 3), 0));
  });
  return s.read(kept);
}

/** A status register that is the base or a source is CONSTRAINED UNPREDICTABLE (K1.2). */
const statusOverlaps = (
  f: { readonly rs: number; readonly rn: number },
  sources: readonly number[],
): boolean => sources.includes(f.rs) || (f.rs === f.rn && f.rn !== 31);

/**
 * Runs `store` when the monitor holds this address and size. Otherwise the status is 1 and memory is not looked at:
 * no abort and no alignment fault, one of the choices that the architecture gives. The monitor is open afterwards.
 */
function ifMarked(s: A64, va: Val, bytes: number, store: () => void, fail: () => void): void {
  const same = s.and(s.eqi(s.get(state.exBytes), bytes), s.eq(s.get(state.exAddr), va));
  const marked = s.and(same, monitorKept(s));
  s.if(marked, store, () => {
    s.set(state.exBytes, s.i32(0));
    fail();
  });
}

const loadExclusive = (size: Size, acquire: boolean): Row<A64> => {
  const m = `ld${acquire ? 'a' : ''}xr${size.suffix}`;
  const bits = `${size.bits} 001000 0 1 0`;
  return row(name(m, size), encoding(bits, `rs:5 ${acquire ? '1' : '0'} rt2:5 rn:5 rt:5`), {
    asm: `${m} <${size.reg}:rt>, [<xsp:rn>] ; ${unusedLoad}`,
    doc: `Loads a ${size.what} and marks its address for exclusive access${acquire ? ', with acquire semantics' : ''}.`,
    exec(s, f) {
      const va = baseAddress(s, f.rn);
      const host = s.probe(va, access('read', size, 1, acquire));
      const value = s.ld(size.bytes, host, 0, 'i64');
      mark(s, va, size.bytes);
      s.setX(f.rt, value);
    },
  });
};

const storeExclusive = (size: Size, release: boolean): Row<A64> => {
  const m = `st${release ? 'l' : ''}xr${size.suffix}`;
  const bits = `${size.bits} 001000 0 0 0`;
  return row(name(m, size), encoding(bits, `rs:5 ${release ? '1' : '0'} rt2:5 rn:5 rt:5`), {
    asm: `${m} <w:rs>, <${size.reg}:rt>, [<xsp:rn>] ; ${unusedStore}`,
    unpredictable: (f) => statusOverlaps(f, [f.rt]),
    doc: `Stores a ${size.what} if its address is still marked${release ? ', with release semantics' : ''}; Ws is 0 if it was, else 1.`,
    exec(s, f) {
      const va = baseAddress(s, f.rn);
      const store = (): void => {
        const acc = access('write', size, 1, release);
        const host = s.probe(va, acc);
        s.st(size.bytes, host, s.x(f.rt));
        s.set(state.exBytes, s.i32(0));
        s.setX(f.rs, s.i32(0));
        s.commit(host, acc);
      };
      ifMarked(s, va, size.bytes, store, () => s.setX(f.rs, s.i32(1)));
    },
  });
};

const loadExclusivePair = (size: Size, acquire: boolean): Row<A64> => {
  const m = `ld${acquire ? 'a' : ''}xp`;
  const bits = `${size.bits} 001000 0 1 1`;
  return row(name(m, size), encoding(bits, `rs:5 ${acquire ? '1' : '0'} rt2:5 rn:5 rt:5`), {
    asm: `${m} <${size.reg}:rt>, <${size.reg}:rt2>, [<xsp:rn>] ; rs=31`,
    unpredictable: (f) => f.rt === f.rt2,
    doc: `Loads two ${size.what}s and marks their address for exclusive access${acquire ? ', with acquire semantics' : ''}.`,
    exec(s, f) {
      const va = baseAddress(s, f.rn);
      const host = s.probe(va, access('read', size, 2, acquire));
      const first = s.ld(size.bytes, host, 0, 'i64');
      const second = s.ld(size.bytes, host, size.bytes, 'i64');
      mark(s, va, 2 * size.bytes);
      // Rt = Rt2 is CONSTRAINED UNPREDICTABLE: the second stays, as on QEMU.
      s.setX(f.rt, first);
      s.setX(f.rt2, second);
    },
  });
};

const storeExclusivePair = (size: Size, release: boolean): Row<A64> => {
  const m = `st${release ? 'l' : ''}xp`;
  const bits = `${size.bits} 001000 0 0 1`;
  return row(name(m, size), encoding(bits, `rs:5 ${release ? '1' : '0'} rt2:5 rn:5 rt:5`), {
    asm: `${m} <w:rs>, <${size.reg}:rt>, <${size.reg}:rt2>, [<xsp:rn>]`,
    unpredictable: (f) => statusOverlaps(f, [f.rt, f.rt2]),
    doc: `Stores two ${size.what}s if their address is still marked${release ? ', with release semantics' : ''}; Ws is 0 if it was, else 1.`,
    exec(s, f) {
      const va = baseAddress(s, f.rn);
      const store = (): void => {
        const acc = access('write', size, 2, release);
        const host = s.probe(va, acc);
        s.st(size.bytes, host, s.x(f.rt));
        s.st(size.bytes, host, s.x(f.rt2), size.bytes);
        s.set(state.exBytes, s.i32(0));
        s.setX(f.rs, s.i32(0));
        s.commit(host, acc);
      };
      ifMarked(s, va, 2 * size.bytes, store, () => s.setX(f.rs, s.i32(1)));
    },
  });
};

/** ISS.SF and ISS.AR: these are accesses of one general-purpose register, which a stage 2 abort describes. */
const orderedFlags = (size: Size): number =>
  Flag.aligned | Flag.acqRel | Flag.isv | (size.reg === 'x' ? Flag.sf : 0);

const loadAcquire = (size: Size): Row<A64> => {
  const m = `ldar${size.suffix}`;
  return row(name(m, size), encoding(`${size.bits} 001000 1 1 0`, 'rs:5 1 rt2:5 rn:5 rt:5'), {
    asm: `${m} <${size.reg}:rt>, [<xsp:rn>] ; ${unusedLoad}`,
    doc: `Loads a ${size.what} with acquire semantics.`,
    exec(s, f) {
      const { bytes } = size;
      const acc: Access = { kind: 'read', bytes, elem: bytes, flags: orderedFlags(size) };
      const host = s.probe(baseAddress(s, f.rn), acc, s.num(f.rt));
      s.setX(f.rt, s.ld(bytes, host, 0, 'i64'));
    },
  });
};

const storeRelease = (size: Size): Row<A64> => {
  const m = `stlr${size.suffix}`;
  return row(name(m, size), encoding(`${size.bits} 001000 1 0 0`, 'rs:5 1 rt2:5 rn:5 rt:5'), {
    asm: `${m} <${size.reg}:rt>, [<xsp:rn>] ; ${unusedLoad}`,
    doc: `Stores a ${size.what} with release semantics.`,
    exec(s, f) {
      s.store(baseAddress(s, f.rn), s.x(f.rt), size.bytes, orderedFlags(size), f.rt);
    },
  });
};

const wide = sizes.filter((s) => s.suffix === '');

export const exclusiveRows: readonly Row<A64>[] = [false, true].flatMap((ordered) => [
  ...sizes.map((size) => loadExclusive(size, ordered)),
  ...sizes.map((size) => storeExclusive(size, ordered)),
  ...wide.map((size) => loadExclusivePair(size, ordered)),
  ...wide.map((size) => storeExclusivePair(size, ordered)),
  ...(ordered ? [...sizes.map(loadAcquire), ...sizes.map(storeRelease)] : []),
]);
