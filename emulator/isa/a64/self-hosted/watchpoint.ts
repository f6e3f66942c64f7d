/**
 * Watchpoint exceptions (Arm ARM DDI 0487 D2.10). Pages that an enabled watchpoint touches have no TLB entries for data, so
 * that each access to them comes by here.
 */
import type { Builder } from '../../../ir/builder';
import type { Routine, Val } from '../../../ir/nodes';
import { descField } from '../../dsl/isa';
import { raiseWatchpoint } from '../exceptions/abort';
import { Flag } from '../sem';
import { state } from '../state';
import { getField, getReg } from '../sysregs';
import { enabledHere } from './enable';
import { matchesLevel, matchesLinked } from './match';
import { WATCHPOINTS } from './traps';

/** An address without its tag: bits 63-56 are copies of bit 55. */
const untagged = (s: Builder, va: Val): Val => s.sari(s.shli(va, 8), 8);

interface Watched {
  readonly control: Val;
  /** The first of the bytes that MASK or BAS choose from, and how many these are. */
  readonly base: Val;
  readonly size: Val;
  /** BAS, or all of eight bytes. */
  readonly bytes: Val;
}

function watched(s: Builder, n: number): Watched {
  const control = getReg(s, `DBGWCR${n}_EL1`);
  const wvr = s.sari(s.shli(getReg(s, `DBGWVR${n}_EL1`), 15), 15);
  const mask = s.wrap(s.bits(control, 24, 5));
  const masked = s.gtu(mask, s.i32(2));
  const large = s.shl(s.i64(1), s.zext(mask));
  const bas = s.wrap(s.bits(control, 5, 8));
  // An address that is a multiple of four only watches four bytes: BAS[7:4] count for nothing.
  const half = s.bit(wvr, 2);
  return {
    control,
    base: s.select(masked, s.and(wvr, s.sub(s.i64(0), large)), s.andi(wvr, ~3n)),
    size: s.select(masked, large, s.i64(8)),
    bytes: s.select(masked, s.i32(0xff), s.select(half, s.andi(bas, 0xf), bas)),
  };
}

/** Where in the bytes of a watchpoint an access begins and ends; `touches` if it does at all. */
function overlap(s: Builder, w: Watched, va: Val, bytes: Val): { touches: Val; first: Val; end: Val } {
  const from = s.sub(va, w.base);
  const to = s.add(from, bytes);
  const zero = s.i64(0);
  const first = s.select(s.lts(from, zero), zero, from);
  const end = s.select(s.lts(to, w.size), to, w.size);
  return { touches: s.lts(first, end), first, end };
}

/** The lowest set bit of a byte, as an i64. */
function lowest(s: Builder, byte: Val): Val {
  let at = s.i64(0);
  for (let n = 7; n >= 0; n--) at = s.select(s.bit(byte, n), s.i64(n), at);
  return at;
}

/** (va, desc, info) -> 1 if an access takes a watchpoint exception; 2 if its page may have no TLB entry; else 0. */
export const watchData: Routine = {
  k: 'routine',
  name: 'watchData',
  params: ['i64', 'i32', 'i32'],
  result: 'i32',
  build: (s: Builder, va: Val, desc: Val, _info: Val) => {
    const part = (name: keyof typeof descField): Val => s.bits(desc, descField[name][0], descField[name][1]);
    const flags = part('flags');
    const kind = part('kind');
    const address = untagged(s, va);
    const bytes = s.zext(part('bytes'));
    const el = s.get(state.el);
    const user = s.select(s.nei(s.andi(flags, Flag.unprivileged), 0), s.i32(0), el);
    const on = s.and(
      s.and(enabledHere(s), getField(s, 'MDSCR_EL1.MDE')),
      s.eqz(s.andi(flags, Flag.cacheMaintenance)),
    );
    const isNear = s.local('near', s.i32(0));
    for (let n = 0; n < WATCHPOINTS; n++) {
      const w = watched(s, n);
      s.if(s.bit(w.control, 0), () => {
        // The pages of the access.
        const page = s.andi(address, -4096n);
        const pages = s.sub(s.andi(s.add(s.add(address, bytes), s.i64(4095)), -4096n), page);
        s.if(overlap(s, w, page, pages).touches, () => s.assign(isNear, s.i32(2)));
        const { touches, first, end } = overlap(s, w, address, bytes);
        // LSC: bit 3 loads, bit 4 stores; an atomic is both.
        const reads = s.and(s.nei(kind, 1), s.bit(w.control, 3));
        const writes = s.and(s.nei(kind, 0), s.bit(w.control, 4));
        const linked = s.or(s.eqz(s.bit(w.control, 20)), matchesLinked(s, w.control));
        const fits = s.and(s.and(s.or(reads, writes), matchesLevel(s, w.control, user)), linked);
        s.if(s.and(s.and(on, touches), fits), () => {
          const small = s.eqi(w.size, 8);
          const span = s.sub(s.shl(s.i64(1), end), s.shl(s.i64(1), first));
          const hit = s.andi(s.and(w.bytes, s.select(small, s.wrap(span), s.i32(0xff))), 0xff);
          s.if(hit, () => {
            const at = s.select(small, lowest(s, hit), first);
            const offset = s.sub(s.add(w.base, at), address);
            s.call(raiseWatchpoint, s.add(va, offset), desc, reads);
            s.ret(s.i32(1));
          });
        });
      });
    }
    s.ret(s.read(isNear));
  },
};

/** state.watching is set while a watchpoint is enabled. */
export const guestWatch = { field: state.watching, routine: watchData } as const;
