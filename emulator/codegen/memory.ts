/**
 * The slow path of memory: everything that a TLB hit does not cover, written once in IR. Translation and faults come
 * from the instruction set; what is here is the same for all of them.
 */
import type { Builder } from '../ir/builder';
import type { HostCall, Routine, Val } from '../ir/nodes';
import { common, MemAttr, PageFlag, PageWriter } from '../ir/state';
import { Acc, descField, fetchDesc, type Isa } from '../isa/dsl/isa';
import { Rec, Special } from './handlers';
import { TagFlag, Tlb, type TlbLayout } from './tlb';
import { dataEntry, entryPa, fetchEntry, tlbFill, useEntry, type TlbRoutines } from './tlb-fill';

/** Calls from generated code to the machine. */
export const hostCalls = {
  /** (rec): decodes the instruction of a record. */
  decode: { k: 'host', name: 'decode', params: 2, result: false },
  /** (cpu, page): makes the predecoded page of a RAM page; its address. */
  codePage: { k: 'host', name: 'codePage', params: 2, result: true },
  /** (cpu, rec): control has come to a record by a branch often enough to translate what starts there. */
  hot: { k: 'host', name: 'hot', params: 2, result: false },
  /** (cpu, rec, from): control came from the region that was entered at `from` right to the one that starts at `rec`; a sample. */
  linked: { k: 'host', name: 'linked', params: 3, result: false },
  /** (cpu, offset, bytes): RAM of a page with regions is about to be written. */
  regionsWritten: { k: 'host', name: 'regionsWritten', params: 3, result: false },
  /** (cpu): the instruction at state.pc is one of many that write beside code, in a page that has some. */
  writesBeside: { k: 'host', name: 'writesBeside', params: 1, result: false },
  /** (cpu): a fetch TLB entry was filled for state.pc. */
  fetched: { k: 'host', name: 'fetched', params: 1, result: false },
  /** (cpu, page): the page is about to be written for the first time since the last snapshot. */
  saveClean: { k: 'host', name: 'saveClean', params: 2, result: false },
  /** (cpu, bytes) with the address in slowPa[0]: reads a device into scratch; 0 when nothing answers. */
  mmioRead: { k: 'host', name: 'mmioRead', params: 2, result: true },
  /** (cpu, bytes) with the address in slowPa[0]: does a device answer there? */
  mmioProbe: { k: 'host', name: 'mmioProbe', params: 2, result: true },
  /** (cpu, bytes): writes scratch to the device at slowPa[0]. */
  mmioWrite: { k: 'host', name: 'mmioWrite', params: 2, result: false },
  /**
   * (cpu, write): an access of slowDesc from slowVa on touches a watched page: slowFirst bytes at slowPa[0], the rest at
   * slowPa[1]. A write is in scratch, in the order of memory, and not in RAM yet.
   */
  watched: { k: 'host', name: 'watched', params: 2, result: false },
} as const satisfies Record<string, HostCall>;

const PAGE = 4096;

/** Of so many writes beside code the instruction of one is reported: not always that of the same write in a loop. */
const BESIDES = 64;

/** Byte `i` of an element-wise byte-swapped buffer: index XOR (elem - 1). */
const swapMask = (b: Builder, elemLog2: Val): Val =>
  b.select(b.nei(b.get(common.bigEndian), 0), b.addi(b.shl(b.i32(1), elemLog2), -1), b.i32(0));

export interface MemoryRoutines extends TlbRoutines {
  /** (va: i64, desc: i32, info: i32) -> i32: address in linear memory, 0 when an exception was taken. */
  readonly memSlow: Routine;
  /** () -> i32: completes a write from scratch; 1: the instruction must end with 'recheck'. */
  readonly commitSlow: Routine;
  /** () -> i32: the predecoded page for state.pc, 0 when an exception was taken. */
  readonly fetchSlow: Routine;
  /**
   * (va: i64, bytes: i32) -> i32: address in linear memory of RAM that the CPU's present level can read, 0 where there is
   * none or it crosses a page. A debugger's look: it changes nothing.
   */
  readonly look: Routine;
}

/** An address in linear memory for a look at `bytes` bytes by a TLB entry, and whether there is one. Changes nothing. */
export function lookByTlb(b: Builder, va: Val, bytes: number): { readonly hit: Val; readonly host: Val } {
  const e = dataEntry(b, b.get(common.tlbRead), va);
  const last = bytes > 1 ? b.add(va, b.i64(bytes - 1)) : va;
  const hit = b.eq(b.ld(8, e, Tlb.tag), b.andi(last, -4096n));
  return { hit, host: b.add(b.ld(4, e, Tlb.addend), b.wrap(va)) };
}

/** Builds the routines of the slow path for an instruction set. */
export function memoryRoutines(isa: Isa, tlb: TlbLayout): MemoryRoutines {
  const arch = isa.routines;
  const { selectContext, growTlb, fill, fillData } = tlbFill(isa, tlb);

  /** RAM offset of a physical address, and whether it is RAM (for `bytes` within a page nothing can straddle). */
  const ramOffset = (b: Builder, pa: Val): { offset: Val; isRam: Val } => {
    const offset = b.sub(pa, b.get(common.ramBase));
    return { offset: b.wrap(offset), isRam: b.ltu(offset, b.get(common.ramSize)) };
  };

  /** A TLB miss: walks. @returns non-zero when there is a fault to raise */
  const translate = (b: Builder, va: Val, acc: Val): Val => {
    b.set(common.misses, b.add(b.get(common.misses), b.i64(1)));
    return b.call(arch.translate, va, acc);
  };

  /**
   * Translates a data access. An entry whose tag only has flags stands: going the slow way, as a debugger may bring about,
   * must not find another translation than the fast way would. Unprivileged accesses have no entries.
   */
  const translateData = (
    b: Builder,
    va: Val,
    acc: Val,
    isRead: Val,
    hasEntry: Val,
    fail: () => void,
  ): void => {
    const e = dataEntry(b, b.select(isRead, b.get(common.tlbRead), b.get(common.tlbWrite)), va);
    // An invalid tag has more bits set than there are flags.
    const stands = b.eq(b.andi(b.ld(8, e, Tlb.tag), -16n), b.andi(va, -4096n));
    b.if(
      b.and(hasEntry, stands),
      () => useEntry(b, e, va),
      () => b.if(translate(b, va, acc), fail),
    );
  };

  /** Flags of the RAM page at an offset. */
  const flagsOf = (b: Builder, offset: Val): Val =>
    b.ld(1, b.add(b.get(common.pageFlags), b.shri(offset, 12)));

  const isWatched = (b: Builder, flags: Val): Val => b.andi(flags, PageFlag.watch);

  const desc = (b: Builder, d: Val, part: keyof typeof descField): Val =>
    b.bits(d, descField[part][0], descField[part][1]);

  /** Copies `n` bytes between linear addresses, in the data's byte order; `from`+i to `to`+i. */
  const copy = (b: Builder, to: Val, from: Val, n: Val): void => {
    const i = b.local('i', b.i32(0));
    b.loop((l) => {
      const at = b.read(i);
      b.if(b.geu(at, n), () => b.break(l));
      b.st(1, b.add(to, at), b.ld(1, b.add(from, at)));
      b.assign(i, b.addi(at, 1));
    });
  };

  /** Reverses scratch element by element when data is big-endian. */
  const swapScratch = (b: Builder, bytes: Val, elemLog2: Val): void => {
    b.if(b.get(common.bigEndian), () => {
      const mask = swapMask(b, elemLog2);
      const i = b.local('i', b.i32(0));
      const scratch = b.addi(b.cpu(), common.scratch.offset);
      b.loop((l) => {
        const at = b.read(i);
        b.if(b.geu(at, bytes), () => b.break(l));
        const other = b.xor(at, mask);
        b.if(b.ltu(at, other), () => {
          const [p, q] = [b.add(scratch, at), b.add(scratch, other)];
          const keep = b.ld(1, p);
          b.st(1, p, b.ld(1, q));
          b.st(1, q, keep);
        });
        b.assign(i, b.addi(at, 1));
      });
    });
  };

  /** Before a write to a RAM page: copies it for the snapshot, drops what was predecoded of the bytes written. */
  const beforeRamWrite = (b: Builder, offset: Val, bytes: Val): void => {
    const page = b.shri(offset, 12);
    const flags = b.ld(1, b.add(b.get(common.pageFlags), page));
    b.if(b.andi(flags, PageFlag.clean), () => void b.call(hostCalls.saveClean, b.cpu(), page));
    b.if(b.andi(flags, PageFlag.code), () => {
      const recs = b.ld(4, b.add(b.get(common.pageRecs), b.shli(page, 2)));
      const at = b.local('at', b.andi(offset, 0xffc));
      const end = b.add(b.andi(offset, 0xfff), bytes);
      const decoded = b.local('decoded', b.i32(0));
      b.loop((l) => {
        b.if(b.geu(b.read(at), end), () => b.break(l));
        const rec = b.add(recs, b.shli(b.read(at), Rec.shift - 2));
        b.assign(decoded, b.or(b.read(decoded), b.ld(2, rec)));
        b.st(2, rec, b.i32(Special.decode));
        b.assign(at, b.addi(b.read(at), 4));
      });
      b.if(
        b.read(decoded),
        () => {
          // What a region was made of has been decoded.
          b.if(b.andi(flags, PageFlag.regions), () => {
            b.call(hostCalls.regionsWritten, b.cpu(), offset, bytes);
          });
        },
        () => {
          const count = b.addi(b.get(common.besides), 1);
          b.set(common.besides, count);
          const due = b.eqz(b.andi(b.xor(count, b.shri(count, Math.log2(BESIDES))), BESIDES - 1));
          b.if(due, () => void b.call(hostCalls.writesBeside, b.cpu()));
        },
      );
    });
  };

  /** A TLB is about to have an entry for writes to a RAM page. */
  const noteWriter = (b: Builder, page: Val, va: Val): void => {
    const at = b.add(b.get(common.pageWriters), b.shli(page, 2));
    const before = b.ld(4, at);
    const now = b.ori(b.wrap(b.shri(va, 12)), PageWriter.one | 0);
    const isOnly = b.or(b.eqz(before), b.eq(before, now));
    b.st(4, at, b.select(isOnly, now, b.i32(PageWriter.many | 0)));
  };

  const memSlow: Routine = {
    k: 'routine',
    name: 'memSlow',
    params: ['i64', 'i32', 'i32'],
    result: 'i32',
    build: (b: Builder, va: Val, d: Val, info: Val) => {
      const bytes = desc(b, d, 'bytes');
      const elemLog2 = desc(b, d, 'elemLog2');
      const kind = desc(b, d, 'kind');
      const flags = desc(b, d, 'flags');
      const scratch = b.addi(b.cpu(), common.scratch.offset);
      const fail = (routine: Routine, at = va): void => {
        b.call(routine, at, d, info);
        b.ret(b.i32(0));
      };
      const lowVa = b.wrap(va);
      const misaligned = b.and(lowVa, b.addi(b.shl(b.i32(1), elemLog2), -1));
      b.if(b.and(b.ne(b.and(lowVa, b.addi(bytes, -1)), b.i32(0)), b.bit(flags, 1)), () =>
        fail(arch.raiseAlignment),
      );
      b.if(b.and(b.nei(misaligned, 0), b.nei(b.get(common.alignAlways), 0)), () => fail(arch.raiseAlignment));
      const acc = b.or(
        b.select(
          b.eqi(kind, 0),
          b.i32(0),
          b.select(b.eqi(kind, 1), b.i32(Acc.write), b.i32(Acc.write | Acc.atomic)),
        ),
        b.or(
          b.select(b.andi(flags, 1), b.i32(Acc.unprivileged), b.i32(0)),
          b.select(b.andi(flags, 64), b.i32(Acc.cacheMaintenance), b.i32(0)),
        ),
      );
      const isRead = b.eqi(kind, 0);
      const isWrite = b.nei(kind, 0);
      const readsToo = b.nei(kind, 1);
      const hasEntry = b.eqz(b.andi(flags, 1));
      translateData(b, va, acc, isRead, hasEntry, () => fail(arch.raiseAbort));
      const device = b.andi(b.get(common.trAttr), MemAttr.device);
      b.if(b.and(b.nei(misaligned, 0), b.nei(device, 0)), () => fail(arch.raiseAlignment));
      const pa = b.get(common.trPa);
      b.set(common.slowVa, va);
      b.set(common.slowPa, pa, 0);
      b.set(common.slowDesc, d);
      const { guestWatch } = isa;
      const mayFill = b.local('mayFill', hasEntry);
      /** Before the access: the guest itself may watch for it. */
      const watchForGuest = (): void => {
        if (!guestWatch) return;
        b.if(b.get(guestWatch.field), () => {
          const found = b.call(guestWatch.routine, va, d, info);
          b.if(b.eqi(found, 1), () => b.ret(b.i32(0)));
          b.if(found, () => b.assign(mayFill, b.i32(0)));
        });
      };
      const room = b.sub(b.i32(PAGE), b.andi(lowVa, PAGE - 1));
      const first = b.select(b.ltu(room, bytes), room, bytes);
      b.set(common.slowFirst, first);
      const ram = ramOffset(b, pa);

      b.if(
        b.ltu(room, bytes),
        () => {
          // Both pages are probed before anything happens.
          const va2 = b.add(b.andi(va, -4096n), b.i64(PAGE));
          b.if(translate(b, va2, acc), () => fail(arch.raiseAbort, va2));
          const pa2 = b.get(common.trPa);
          b.set(common.slowPa, pa2, 1);
          watchForGuest();
          const ram2 = ramOffset(b, pa2);
          b.if(b.eqz(b.and(ram.isRam, ram2.isRam)), () => fail(arch.raiseExternal));
          b.if(readsToo, () => {
            b.if(isWatched(b, b.or(flagsOf(b, ram.offset), flagsOf(b, ram2.offset))), () => {
              b.call(hostCalls.watched, b.cpu(), b.i32(0));
            });
            copy(b, scratch, b.add(b.get(common.ramHost), ram.offset), first);
            copy(b, b.add(scratch, first), b.add(b.get(common.ramHost), ram2.offset), b.sub(bytes, first));
            swapScratch(b, bytes, elemLog2);
          });
          b.ret(scratch);
        },
        () => {
          watchForGuest();
          b.if(
            ram.isRam,
            () => {
              const page = b.shri(ram.offset, 12);
              const pageFlagsAt = b.add(b.get(common.pageFlags), page);
              b.if(
                b.and(isWrite, b.nei(b.andi(b.ld(1, pageFlagsAt), PageFlag.clean), 0)),
                () => void b.call(hostCalls.saveClean, b.cpu(), page),
              );
              const pf = b.ld(1, pageFlagsAt);
              const aligns = b.and(b.nei(device, 0), b.eqz(b.get(common.entriesAlign)));
              const slow = b.select(b.or(b.get(common.bigEndian), aligns), b.i32(TagFlag.slow), b.i32(0));
              const tagFlags = b.or(
                slow,
                b.or(
                  b.andi(pf, PageFlag.watch),
                  b.select(isWrite, b.andi(pf, PageFlag.code | PageFlag.clean), b.i32(0)),
                ),
              );
              b.if(b.read(mayFill), () => {
                b.if(isWrite, () => noteWriter(b, page, va));
                fillData(b, b.select(isRead, b.get(common.tlbRead), b.get(common.tlbWrite)), va, tagFlags);
              });
              const host = b.add(b.get(common.ramHost), ram.offset);
              b.if(
                b.and(readsToo, b.nei(isWatched(b, pf), 0)),
                () => void b.call(hostCalls.watched, b.cpu(), b.i32(0)),
              );
              b.if(b.eqz(tagFlags), () => b.ret(host));
              b.if(readsToo, () => {
                copy(b, scratch, host, bytes);
                swapScratch(b, bytes, elemLog2);
              });
              b.ret(scratch);
            },
            () => {
              b.if(isWrite, () => {
                b.if(b.eqz(b.call(hostCalls.mmioProbe, b.cpu(), bytes)), () => fail(arch.raiseExternal));
              });
              b.if(readsToo, () => {
                b.if(b.eqz(b.call(hostCalls.mmioRead, b.cpu(), bytes)), () => fail(arch.raiseExternal));
                swapScratch(b, bytes, elemLog2);
              });
              b.ret(scratch);
            },
          );
        },
      );
    },
  };

  const commitSlow: Routine = {
    k: 'routine',
    name: 'commitSlow',
    params: [],
    result: 'i32',
    build: (b: Builder) => {
      const d = b.get(common.slowDesc);
      const bytes = desc(b, d, 'bytes');
      const scratch = b.addi(b.cpu(), common.scratch.offset);
      swapScratch(b, bytes, desc(b, d, 'elemLog2'));
      const first = b.get(common.slowFirst);
      const ram = ramOffset(b, b.get(common.slowPa, 0));
      b.if(
        ram.isRam,
        () => {
          const rest = b.sub(bytes, first);
          const second = (): Val => ramOffset(b, b.get(common.slowPa, 1)).offset;
          const touched = b.local('touched', flagsOf(b, ram.offset));
          beforeRamWrite(b, ram.offset, first);
          b.if(rest, () => {
            b.assign(touched, b.or(b.read(touched), flagsOf(b, second())));
            beforeRamWrite(b, second(), rest);
          });
          // Last before the write: it may arm the record of the next instruction, which the write may have reset.
          b.if(isWatched(b, b.read(touched)), () => void b.call(hostCalls.watched, b.cpu(), b.i32(1)));
          copy(b, b.add(b.get(common.ramHost), ram.offset), scratch, first);
          b.if(rest, () => copy(b, b.add(b.get(common.ramHost), second()), b.add(scratch, first), rest));
          // The next instruction may be one that was just written: records were reset, so going on is safe.
          b.ret(b.i32(0));
        },
        () => {
          b.call(hostCalls.mmioWrite, b.cpu(), bytes);
          b.ret(b.i32(1));
        },
      );
    },
  };

  const fetchSlow: Routine = {
    k: 'routine',
    name: 'fetchSlow',
    params: [],
    result: 'i32',
    build: (b: Builder) => {
      const pc = b.get(common.pc);
      b.if(b.wrap(b.andi(pc, 3)), () => {
        b.call(arch.raisePcAlignment, pc);
        b.ret(b.i32(0));
      });
      const e = fetchEntry(b, pc);
      // A tag that fits means that only the derived pointer is missing: the translation stands.
      b.if(
        b.eq(b.ld(8, e, Tlb.tag), b.andi(pc, -4096n)),
        () => b.set(common.trPa, entryPa(b, e, pc)),
        () => {
          b.if(translate(b, pc, b.i32(Acc.exec)), () => {
            b.call(arch.raiseAbort, pc, b.i32(fetchDesc), b.i32(0));
            b.ret(b.i32(0));
          });
        },
      );
      const ram = ramOffset(b, b.get(common.trPa));
      b.if(b.eqz(ram.isRam), () => {
        b.call(arch.raiseExternal, pc, b.i32(fetchDesc), b.i32(0));
        b.ret(b.i32(0));
      });
      b.if(b.ne(b.ld(8, e, Tlb.tag), b.andi(pc, -4096n)), () => fill(b, e, pc, b.i32(0)));
      const page = b.shri(ram.offset, 12);
      const recs = b.local('recs', b.ld(4, b.add(b.get(common.pageRecs), b.shli(page, 2))));
      b.if(b.eqz(b.read(recs)), () => b.assign(recs, b.call(hostCalls.codePage, b.cpu(), page)));
      const index = b.andi(b.wrap(b.shri(pc, 12)), Tlb.entries - 1);
      b.st(4, b.add(b.get(common.tlbFetchRec), b.shli(index, 2)), b.read(recs));
      b.if(b.get(common.fetchHook), () => void b.call(hostCalls.fetched, b.cpu()));
      b.ret(b.read(recs));
    },
  };

  const look: Routine = {
    k: 'routine',
    name: 'look',
    params: ['i64', 'i32'],
    result: 'i32',
    build: (b: Builder, va: Val, bytes: Val) => {
      b.if(b.gtu(b.add(b.andi(b.wrap(va), PAGE - 1), bytes), b.i32(PAGE)), () => b.ret(b.i32(0)));
      const fields = isa.translation ?? [common.trPa, common.trSize, common.trAttr];
      const kept = fields.map((f) => b.local(f.name, b.get(f)));
      const fault = b.call(arch.translate, va, b.i32(Acc.peek));
      const pa = b.local('pa', b.get(common.trPa));
      fields.forEach((f, i) => b.set(f, b.read(kept[i]!)));
      const ram = ramOffset(b, b.read(pa));
      b.if(b.or(fault, b.eqz(ram.isRam)), () => b.ret(b.i32(0)));
      b.ret(b.add(b.get(common.ramHost), ram.offset));
    },
  };

  return { memSlow, commitSlow, fetchSlow, selectContext, growTlb, look };
}
