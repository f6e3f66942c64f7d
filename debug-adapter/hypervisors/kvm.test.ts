import * as assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { requireTool } from '../../test/support/oracles';
import { nothing, type CType } from '../symbols/dwarf/types';
import { Btf } from '../symbols/linux/btf';
import { Kallsyms } from '../symbols/linux/kallsyms';
import { perCpuOf, referencesIn } from '../symbols/linux/references';
import { cachedKernels, systemMapOf } from '../symbols/linux/testing';
import { Workshop } from '../symbols/testing';
import { KvmHypervisor } from './kvm';
import { KvmPlaces, type KvmKernel } from './kvm-places';
import { isLazyInVhe, systemRegisters } from './kvm-registers';
import type { HypervisorHost } from './reference';

/** How KVM's assembly finds the running vcpu: adr_this_cpu, then the member of the host's context. */
const source = `
first:	// another variable, without an inner offset
	adrp	x2, hyp_ctxt
	add	x1, x2, #:lo12:hyp_ctxt
	mrs	x2, tpidr_el2
	add	x1, x1, x2
	ldr	x0, [x1, #0x718]
	// the same member of another type
	adrp	x2, hyp_ctxt
	add	x1, x2, #:lo12:hyp_ctxt
	mrs	x2, tpidr_el2
	add	x1, x1, x2
	add	x1, x1, #0x20
	ldr	x0, [x1, #0x710]
wanted:
	adrp	x9, host_data
	add	x0, x9, #:lo12:host_data
	mrs	x9, THREAD
	add	x0, x0, x9
	add	x0, x0, #0x20
	ldr	x1, [x0, #0x718]
	ret
`;

describe('KVM in the code of a kernel', () => {
  for (const [thread, host] of [
    ['tpidr_el2', 0x14de_720],
    ['tpidr_el1', 0x1_0008],
  ] as const)
    it(`is told by ${thread} where its per-CPU data is`, function () {
      requireTool(this, 'aarch64-linux-gnu-as', 'aarch64-linux-gnu-ld', 'aarch64-linux-gnu-objcopy');
      const shop = new Workshop();
      try {
        shop.write('k.s', source.replace('THREAD', thread));
        shop.run('aarch64-linux-gnu-as', 'k.s', '-o', 'k.o');
        const symbols = [`--defsym=host_data=${host}`, '--defsym=hyp_ctxt=0x2000000'];
        shop.run('aarch64-linux-gnu-ld', '-Ttext=0x80000', '-e', '0', ...symbols, 'k.o', '-o', 'k.elf');
        shop.run('aarch64-linux-gnu-objcopy', '-O', 'binary', '-j', '.text', 'k.elf', 'k.bin');
        const image = new Uint8Array(0x81000);
        image.set(shop.read('k.bin'), 0x80000);
        const code = { from: 0x80000, to: 0x81000 };
        assert.equal(perCpuOf(image, code, 0x20, 0x718), host);
        assert.equal(perCpuOf(image, code, 0x20, 0x720), undefined);
        // The first variable is another: nothing is added to its address before the member.
        assert.equal(perCpuOf(image, code, 0, 0x718), undefined);
        assert.equal(perCpuOf(image, { from: 0x80000, to: 0x80040 }, 0x20, 0x718), undefined);
      } finally {
        shop.close();
      }
    });

  it('is not looked for outside the image', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer(), fc.integer(), (image, from, to) => {
        perCpuOf(image, { from: from & ~3, to }, 0, 0x718);
      }),
    );
  });

  it('is told by the loops of functions which lists it has', function () {
    requireTool(this, 'aarch64-linux-gnu-as', 'aarch64-linux-gnu-ld', 'aarch64-linux-gnu-objcopy');
    const shop = new Workshop();
    try {
      shop.write('l.s', lists);
      shop.run('aarch64-linux-gnu-as', 'l.s', '-o', 'l.o');
      shop.run(
        'aarch64-linux-gnu-ld',
        '-Ttext=0x80000',
        '-e',
        '0',
        '--defsym=data=0x12e518',
        'l.o',
        '-o',
        'l.elf',
      );
      shop.run('aarch64-linux-gnu-objcopy', '-O', 'binary', '-j', '.text', 'l.elf', 'l.bin');
      const image = new Uint8Array(0x81000);
      image.set(shop.read('l.bin'), 0x80000);
      assert.deepEqual(
        [...referencesIn(image, { from: 0x80000, to: 0x81000 }).walked],
        [0x12e538, 0x12e518, 0x12e558],
      );
    } finally {
      shop.close();
    }
  });
});

/** Loops over lists as compilers write them, and comparisons that are none. */
const lists = `
	// beside a lock, by the lock's address
	adrp	x21, data
	add	x21, x21, #:lo12:data
	mov	x0, x21
	bl	other
	mov	x5, x21
	ldr	x0, [x5, #0x20]!
	cmp	x0, x5
	b.eq	other
	// by its own address
	adrp	x1, data
	add	x1, x1, #:lo12:data
	ldr	x2, [x1]
	cmp	x1, x2
	// with the head's address made from another one behind the load
	add	x3, x1, #0x40
	ldr	x4, [x1, #0x40]
	cmp	x4, x3
	// the second pointer of a head; a register that a call has changed; an address that was overwritten
	ldr	x6, [x1, #8]
	cmp	x6, x1
	ldr	x7, [x1]
	bl	other
	cmp	x7, x1
	adrp	x20, data
	add	x20, x20, #:lo12:data
	ldr	x19, [x20, #0x100]
	add	x20, x20, x19
	cmp	x19, x20
other:	ret
`;

describe('the registers of a vcpu', () => {
  it('are named by an enumeration with gaps', () => {
    const enumeration: CType = {
      ...nothing,
      kind: 'enum',
      enumerators: () =>
        [
          ['__INVALID_SYSREG__', 0],
          ['MPIDR_EL1', 1],
          ['PMEVCNTR0_EL0', 3],
          ['PMEVCNTR3_EL0', 6],
          ['PMCCNTR_EL0', 7],
          ['PMEVTYPER0_EL0', 9],
          ['__MARKER', 10],
          ['NR_SYS_REGS', 11],
        ].map(([name, value]) => ({ name: String(name), value: BigInt(value ?? 0) })),
    };
    assert.deepEqual(
      [...systemRegisters(enumeration)].sort(([a], [b]) => a - b),
      [
        [1, 'MPIDR_EL1'],
        ...[0, 1, 2, 3].map((n) => [3 + n, `PMEVCNTR${n}_EL0`]),
        [7, 'PMCCNTR_EL0'],
        [9, 'PMEVTYPER0_EL0'],
      ],
    );
    assert.deepEqual([...systemRegisters(undefined)], []);
  });

  it('stay in the CPU while a host at EL2 runs, but for those that each entry switches', () => {
    for (const name of ['sctlr_el1', 'ttbr0_el1', 'tpidr_el0', 'sp_el1']) assert.ok(isLazyInVhe(name), name);
    for (const name of ['x0', 'elr_el2', 'sp_el0', 'mdscr_el1', 'cntv_ctl_el0', 'pmcr_el0'])
      assert.ok(!isLazyInVhe(name), name);
  });
});

function kernelOf(file: string): KvmKernel {
  const image = new Uint8Array(readFileSync(file));
  const kallsyms = new Kallsyms(image, file);
  return {
    image,
    kallsyms,
    loadAddress: 0x4020_0000n,
    types: Btf.ofImage(image, file),
    slide: () => 0n,
    address: (offset) => kallsyms.imageBase + offset,
  };
}

/** A machine whose registers and memory are what a function says. */
const hostOf = (number: (what: bigint) => bigint): HypervisorHost => ({
  cpus: 2,
  register: (cpu, name) => number(BigInt(cpu) + BigInt(name.length) * 64n),
  isSetUp: () => true,
  memory: (_cpu, _space, address, bytes) => {
    const data = new Uint8Array(bytes);
    for (let n = 0; n < bytes; n += 8)
      for (let k = 0; k < 8 && n + k < bytes; k++)
        data[n + k] = Number((number(address + BigInt(n)) >> BigInt(8 * k)) & 0xffn);
    return data;
  },
  physical: (_cpu, _space, address) => address,
  translate: (_cpu, _level, address) => address,
  once: (_what, make) => make(),
});

describe('KVM in stock kernels', function () {
  it('has its list of virtual machines where the list of symbols says', function () {
    const kernels = cachedKernels();
    if (kernels.length === 0) return this.skip();
    for (const file of kernels) {
      const kernel = kernelOf(file);
      const found = new KvmPlaces(
        hostOf(() => 0n),
        kernel,
        () => undefined,
      ).vmList();
      assert.ok(found, file);
      const map = systemMapOf(file);
      if (map === undefined) continue;
      const [, address = ''] = /^([0-9a-f]+) D vm_list$/m.exec(readFileSync(map, 'utf8')) ?? [];
      assert.equal(kernel.kallsyms.imageBase + found.offset, BigInt(`0x${address}`), file);
      const given = new KvmPlaces(
        hostOf(() => 0n),
        kernel,
        (name) => ({ offset: 0x1234n, file: name }),
      ).vmList();
      assert.deepEqual(given, { offset: 0x1234n, how: 'vm_list found by: its symbol in vm_list' });
    }
  });

  it('is looked at in damaged memory without end or harm', function () {
    const [file] = cachedKernels();
    if (file === undefined) return this.skip();
    const kernel = kernelOf(file);
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { minLength: 1 }), (values) => {
        // Few values: pointers lead back to where they came from.
        const host = hostOf((what) => values[Number(what % BigInt(values.length))] ?? 0n);
        const known = new Map<string, unknown>();
        const once = <T>(what: string, make: () => T): T => {
          if (!known.has(what)) known.set(what, make());
          return known.get(what) as T;
        };
        const kvm = new KvmHypervisor({ ...host, once }, kernel, () => undefined);
        for (const vcpu of kvm.vcpus()) {
          kvm.facts(vcpu);
          kvm.exitCounts(vcpu);
          kvm.heldRegisters(vcpu);
          kvm.registersIn(vcpu.at);
        }
        for (const cpu of [0, 1]) {
          kvm.currentVcpu(cpu);
          kvm.hostContext(cpu);
          kvm.trails(cpu);
          kvm.describe(cpu);
          kvm.fpsimdOwner(cpu);
          kvm.kernelTables(cpu, 'EL1');
          kvm.kernelTables(cpu, 'EL2');
        }
      }),
      { numRuns: 20 },
    );
  });
});
