/** What generated code does with the TLB when a look-up in line has failed: fills entries, lets tables grow, changes banks. */
import type { Builder } from '../ir/builder';
import type { Routine, Val } from '../ir/nodes';
import { common, MemAttr } from '../ir/state';
import type { Isa } from '../isa/dsl/isa';
import { BLOCK_SHIFT, foldShift, INVALID_TAG, placeMask, placeShift, Tlb, type TlbLayout } from './tlb';

const pageOf = (b: Builder, va: Val): Val => b.andi(va, -4096n);

/** The entry for an address in a table for data of the selected bank. */
export function dataEntry(b: Builder, table: Val, va: Val): Val {
  const place = b.xor(b.shri(va, placeShift), b.shri(va, foldShift));
  return b.add(table, b.and(b.wrap(place), b.get(common.tlbMask)));
}

/** The entry for an address in the selected bank's table for fetches. */
export function fetchEntry(b: Builder, va: Val): Val {
  return b.add(b.get(common.tlbFetch), b.andi(b.wrap(b.shri(va, placeShift)), placeMask(Tlb.entries)));
}

/** The physical address of `va` by a valid entry. */
export function entryPa(b: Builder, e: Val, va: Val): Val {
  const host = b.add(b.ld(4, e, Tlb.addend), b.wrap(va));
  return b.add(b.zext(b.sub(host, b.get(common.ramHost))), b.get(common.ramBase));
}

/** Lays the translation that an entry holds back into state.tr*. */
export function useEntry(b: Builder, e: Val, va: Val): void {
  b.set(common.trPa, entryPa(b, e, va));
  b.set(common.trSize, b.ld(1, e, Tlb.size));
  b.set(common.trAttr, b.ld(2, e, Tlb.attr));
}

export interface TlbRoutines {
  /** (): selects the bank of the current translation context. */
  readonly selectContext: Routine;
  /** (): a table for data has no room for what is used: from the next look-up on there is more. */
  readonly growTlb: Routine;
}

interface TlbFill extends TlbRoutines {
  /** Fills an entry from the last translation, which led to RAM. `flags` are TagFlag bits. */
  readonly fill: (b: Builder, e: Val, va: Val, flags: Val) => void;
  /** The same in a table for data, read or written. */
  readonly fillData: (b: Builder, table: Val, va: Val, flags: Val) => void;
}

/** @param isa whose contexts have banks */
export function tlbFill(isa: Isa, tlb: TlbLayout): TlbFill {
  /** A field of a bank in one of the arrays that precede the banks. */
  const ofBank = (b: Builder, array: number, bank: Val, shift: number): Val =>
    b.add(b.addi(b.cpu(), array), b.shli(bank, shift));

  /** Notes that the selected bank holds a piece of a mapping larger than a page. */
  const noteBlock = (b: Builder, va: Val): void => {
    const size = b.get(common.trSize);
    b.if(b.ltu(b.i32(12), size), () => {
      const at = ofBank(b, tlb.blocks, b.get(common.bank), 3);
      const piece = b.shl(b.i64(1), b.andi(b.shri(va, BLOCK_SHIFT), 63));
      const bits = b.select(b.ltu(b.i32(BLOCK_SHIFT), size), b.i64(-1), piece);
      b.st(8, at, b.or(b.ld(8, at), bits));
    });
  };

  const fill = (b: Builder, e: Val, va: Val, flags: Val): void => {
    const page = pageOf(b, va);
    const offset = b.wrap(b.sub(pageOf(b, b.get(common.trPa)), b.get(common.ramBase)));
    b.st(8, e, b.or(page, b.zext(flags)), Tlb.tag);
    b.st(4, e, b.sub(b.add(b.get(common.ramHost), offset), b.wrap(page)), Tlb.addend);
    const strict = b.or(b.get(common.alignAlways), b.andi(b.get(common.trAttr), MemAttr.device));
    b.st(1, e, b.select(strict, b.i32(0x3f), b.i32(0)), Tlb.alignMask);
    b.st(1, e, b.get(common.trSize), Tlb.size);
    b.st(2, e, b.get(common.trAttr), Tlb.attr);
    noteBlock(b, va);
  };

  /** Makes the entries of a table from one offset to another invalid. */
  const clear = (b: Builder, table: Val, from: Val, end: Val): void => {
    const at = b.local('at', b.add(table, from));
    const last = b.add(table, end);
    b.loop((l) => {
      b.if(b.geu(b.read(at), last), () => b.break(l));
      b.st(8, b.read(at), b.i64(INVALID_TAG), Tlb.tag);
      b.assign(at, b.addi(b.read(at), Tlb.entryBytes));
    });
  };

  const sizeOf = (b: Builder, mask: Val): Val => b.addi(mask, Tlb.entryBytes);

  const growTlb: Routine = {
    k: 'routine',
    name: 'growTlb',
    params: [],
    build: (b: Builder) => {
      const bank = b.get(common.bank);
      const before = sizeOf(b, b.get(common.tlbMask));
      const after = b.shli(before, 2);
      // What is there stays where it is. Much of it is not where it is looked for any more, and so as good as gone.
      clear(b, b.get(common.tlbRead), before, after);
      clear(b, b.get(common.tlbWrite), before, after);
      const mask = b.addi(after, -Tlb.entryBytes);
      b.set(common.tlbMask, mask);
      b.st(4, ofBank(b, tlb.masks, bank, 2), mask);
      b.st(4, ofBank(b, tlb.evictions, bank, 2), b.i32(0));
    },
  };

  const fillData = (b: Builder, table: Val, va: Val, flags: Val): void => {
    const old = b.ld(8, dataEntry(b, table, va), Tlb.tag);
    const evicts = b.and(b.nei(old, INVALID_TAG), b.ne(b.andi(old, -16n), pageOf(b, va)));
    b.if(evicts, () => {
      const mask = b.get(common.tlbMask);
      const at = ofBank(b, tlb.evictions, b.get(common.bank), 2);
      const count = b.addi(b.ld(4, at), 1);
      b.st(4, at, count);
      const full = b.geu(b.shli(count, Tlb.entryShift), sizeOf(b, mask));
      b.if(b.and(full, b.ltu(mask, b.i32(placeMask(Tlb.most)))), () => b.call(growTlb));
    });
    fill(b, dataEntry(b, table, va), va, flags);
  };

  const useBank = (b: Builder, bank: Val): void => {
    b.set(common.bank, bank);
    const base = b.add(b.addi(b.cpu(), tlb.banks), b.mul(bank, b.i32(Tlb.bankBytes)));
    b.set(common.tlbRead, b.addi(base, Tlb.readAt));
    b.set(common.tlbWrite, b.addi(base, Tlb.writeAt));
    b.set(common.tlbFetch, b.addi(base, Tlb.fetchAt));
    b.set(common.tlbFetchRec, b.add(b.addi(b.cpu(), tlb.fetchRecs), b.mul(bank, b.i32(Tlb.entries * 4))));
    b.set(common.tlbMask, b.ld(4, ofBank(b, tlb.masks, bank, 2)));
  };

  const selectContext: Routine = {
    k: 'routine',
    name: 'selectContext',
    params: [],
    build: (b: Builder) => {
      b.call(isa.routines.contextKey);
      const words = [0, 1, 2, 3].map((i) => b.get(common.ctxKey, i));
      const keyAt = (bank: Val): Val => b.add(b.addi(b.cpu(), tlb.keys), b.mul(bank, b.i32(Tlb.keyBytes)));
      const same = (bank: Val): Val => {
        const at = keyAt(bank);
        return words.map((w, i) => b.eq(b.ld(8, at, 8 * i), w)).reduce((x, y) => b.and(x, y));
      };
      b.if(same(b.get(common.bank)), () => b.ret());
      const i = b.local('i', b.i32(0));
      b.loop((l) => {
        const at = b.read(i);
        b.if(b.geu(at, b.i32(Tlb.banks)), () => b.break(l));
        b.if(same(at), () => {
          useBank(b, at);
          b.ret();
        });
        b.assign(i, b.addi(at, 1));
      });
      // None fits: the oldest bank is emptied and taken.
      const victim = b.get(common.nextBank);
      b.set(common.nextBank, b.andi(b.addi(victim, 1), Tlb.banks - 1));
      words.forEach((w, n) => b.st(8, keyAt(victim), w, 8 * n));
      b.st(8, ofBank(b, tlb.blocks, victim, 3), b.i64(0));
      b.st(4, ofBank(b, tlb.masks, victim, 2), b.i32(placeMask(Tlb.fewest)));
      b.st(4, ofBank(b, tlb.evictions, victim, 2), b.i32(0));
      useBank(b, victim);
      const size = b.i32(placeMask(Tlb.fewest) + Tlb.entryBytes);
      clear(b, b.get(common.tlbRead), b.i32(0), size);
      clear(b, b.get(common.tlbWrite), b.i32(0), size);
      clear(b, b.get(common.tlbFetch), b.i32(0), b.i32(placeMask(Tlb.entries) + Tlb.entryBytes));
    },
  };

  return { selectContext, growTlb, fill, fillData };
}
