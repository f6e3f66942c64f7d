import * as assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import fc from 'fast-check';
import { requireTool } from '../../../test/support/oracles';
import { ENCODING, type CType } from '../dwarf/types';
import { SymbolError } from '../errors';
import { Workshop } from '../testing';
import { Btf } from './btf';
import { BtfFile, BtfKind } from './btf-file';
import { memberPlace } from './member-path';
import { cachedKernels } from './testing';

/** BTF_KIND_* as bpftool spells them. */
const NAMES: Readonly<Record<string, number>> = {
  INT: BtfKind.int,
  PTR: BtfKind.ptr,
  ARRAY: BtfKind.array,
  STRUCT: BtfKind.struct,
  UNION: BtfKind.union,
  ENUM: BtfKind.enum,
  ENUM64: BtfKind.enum64,
  FWD: BtfKind.fwd,
  TYPEDEF: BtfKind.typedef,
  VOLATILE: BtfKind.volatile,
  CONST: BtfKind.const,
  RESTRICT: BtfKind.restrict,
  FUNC: BtfKind.func,
  FUNC_PROTO: BtfKind.funcProto,
  VAR: BtfKind.var,
  DATASEC: BtfKind.datasec,
  FLOAT: BtfKind.float,
  DECL_TAG: BtfKind.declTag,
  TYPE_TAG: BtfKind.typeTag,
};

interface Json {
  readonly id: number;
  readonly kind: string;
  readonly name?: string;
  readonly size?: number;
  readonly type_id?: number;
  readonly ret_type_id?: number;
  readonly nr_elems?: number;
  readonly bits_offset?: number;
  readonly nr_bits?: number;
  readonly members?: readonly {
    name: string;
    type_id: number;
    bits_offset: number;
    bitfield_size?: number;
  }[];
  readonly values?: readonly { name: string; val: string }[];
  readonly params?: readonly { name: string; type_id: number }[];
  readonly vars?: readonly { type_id: number; offset: number; size: number }[];
}

const anonymous = (name: string | undefined): string => (name === '(anon)' ? '' : (name ?? ''));

/** What bpftool reads from the same bytes. */
function bpftool(file: string): readonly Json[] {
  const done = spawnSync('bpftool', ['-j', 'btf', 'dump', 'file', file], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  assert.equal(done.status, 0, done.stderr);
  // Constants have up to 64 bits, and bpftool extends the sign of smaller ones.
  const text = done.stdout.replaceAll(/"val":(-?\d+)/g, '"val":"$1"');
  const { types } = JSON.parse(text) as { types: readonly Json[] };
  return types;
}

/** Compares every record with what bpftool says. */
function compare(btf: BtfFile, types: readonly Json[]): void {
  assert.equal(btf.count - 1, types.length);
  for (const json of types) {
    const where = `type ${json.id} ${json.kind} ${json.name}`;
    const r = btf.record(json.id) ?? assert.fail(where);
    assert.equal(r.kind, NAMES[json.kind], where);
    assert.equal(r.name, anonymous(json.name), where);
    if (json.size !== undefined && json.kind !== 'DATASEC') assert.equal(r.sizeOrType, json.size, where);
    const target = json.ret_type_id ?? json.type_id;
    if (json.kind === 'ARRAY') {
      const { element, count } = btf.array(r);
      assert.deepEqual([element, count], [json.type_id, json.nr_elems], where);
    } else if (target !== undefined) assert.equal(r.sizeOrType, target, where);
    if (json.kind === 'INT')
      assert.deepEqual([btf.int(r).offset, btf.int(r).bits], [json.bits_offset, json.nr_bits], where);
    if (json.members)
      assert.deepEqual(
        btf.members(r),
        json.members.map((m) => ({
          name: anonymous(m.name),
          type: m.type_id,
          bitOffset: m.bits_offset,
          bitSize: m.bitfield_size ?? 0,
        })),
        where,
      );
    if (json.values && json.kind === 'ENUM')
      assert.deepEqual(
        btf.enumerators(r).map((e) => ({ name: e.name, val: BigInt.asUintN(32, e.value) })),
        json.values.map((e) => ({ name: e.name, val: BigInt.asUintN(32, BigInt(e.val)) })),
        where,
      );
    if (json.params)
      assert.deepEqual(
        btf.parameters(r),
        json.params.map((p) => ({ name: anonymous(p.name), type: p.type_id })),
        where,
      );
    if (json.vars)
      assert.deepEqual(
        btf.sectionVariables(r),
        json.vars.map((v) => ({ type: v.type_id, offset: v.offset, size: v.size })),
        where,
      );
  }
}

const program = `
typedef unsigned long u64;
struct list { struct list *next; };
enum mode { OUTSIDE = -1, INSIDE, EXITING = 0x7fffffff };
struct flags { unsigned a : 3, b : 7; int c : 20; u64 wide : 40; };
union value { u64 whole; struct { unsigned low, high; }; float f; };
struct vcpu {
  struct list list;
  const char *name;
  enum mode mode;
  struct flags flags;
  union { union value value; void *pointer; };
  struct { struct { u64 regs[31], sp; } gp; short m[2][3]; } ctxt;
  u64 (*handler)(struct vcpu *vcpu, int reason);
  volatile _Bool ready;
  signed char s; unsigned char text[5];
};
struct vcpu vcpu;
#define OFFSET(m) __builtin_offsetof(struct vcpu, m)
const u64 facts[] __attribute__((section(".facts"))) = {
  sizeof(struct vcpu), OFFSET(name), OFFSET(mode), OFFSET(flags), OFFSET(value.high), OFFSET(pointer),
  OFFSET(ctxt.gp.regs[30]), OFFSET(ctxt.gp.sp), OFFSET(ctxt.m[1][2]), OFFSET(handler), OFFSET(ready), OFFSET(text[4]),
};
u64 run(struct vcpu *vcpu, int reason) { return vcpu->handler(vcpu, reason); }
`;
const paths = [
  ...['name', 'mode', 'flags', 'value.high', 'pointer', 'ctxt.gp.regs[30]', 'ctxt.gp.sp'],
  ...['handler', 'ready', 'text[4]'],
];

describe('BTF, the types of a kernel', () => {
  describe('of a small program', function () {
    let bytes: Uint8Array;
    let facts: BigUint64Array;
    let types: readonly Json[] | undefined;

    before(function () {
      requireTool(this, 'aarch64-linux-gnu-gcc', 'pahole');
      const shop = new Workshop();
      shop.write('t.c', program);
      shop.run('aarch64-linux-gnu-gcc', '-g', '-O1', '-c', 't.c', '-o', 't.o');
      shop.run('pahole', '-J', '--btf_gen_floats', 't.o');
      shop.run('aarch64-linux-gnu-objcopy', '-O', 'binary', '-j', '.facts', 't.o', 'facts');
      shop.run('aarch64-linux-gnu-objcopy', '--dump-section', '.BTF=btf', 't.o');
      facts = new BigUint64Array(shop.read('facts').slice().buffer);
      bytes = shop.read('btf');
      types = spawnSync('bpftool', ['version']).error ? undefined : bpftool(shop.path('btf'));
      shop.close();
    });

    it('has the offsets that the compiler has', () => {
      const btf = new Btf(new BtfFile(bytes, 'btf'));
      const vcpu = btf.named('struct vcpu') ?? assert.fail();
      const [size, ...offsets] = facts;
      assert.equal(BigInt(vcpu.size), size);
      const m12 = offsets.splice(7, 1)[0];
      assert.deepEqual(
        paths.map((p) => BigInt(memberPlace(vcpu, p).offset)),
        offsets,
      );
      // pahole writes arrays of arrays as one of all their elements.
      const m = memberPlace(vcpu, 'ctxt.m');
      assert.deepEqual([m.type.kind, m.type.size, BigInt(m.offset + 2 * 5)], ['array', 12, m12]);
    });

    it('spells types as C does, with bit fields, enumerations and functions', () => {
      const btf = new Btf(new BtfFile(bytes, 'btf'));
      const vcpu = btf.named('vcpu') ?? assert.fail();
      const at = (p: string): CType => memberPlace(vcpu, p).type;
      assert.deepEqual(
        ['list.next', 'name', 'mode', 'value', 'handler', 'ctxt.gp.regs', 'ready'].map((p) => at(p).name),
        [
          ...['struct list *', 'const char *', 'enum mode', 'union value', 'u64 (*)()'],
          ...['u64[31]', 'volatile _Bool'],
        ],
      );
      assert.deepEqual(
        ['ready', 's', 'text[0]', 'value.f', 'mode'].map((p) => at(p).encoding),
        [ENCODING.boolean, ENCODING.signedChar, ENCODING.unsignedChar, ENCODING.float, ENCODING.signed],
      );
      assert.deepEqual(at('mode').enumerators(), [
        { name: 'OUTSIDE', value: -1n },
        { name: 'INSIDE', value: 0n },
        { name: 'EXITING', value: 0x7fff_ffffn },
      ]);
      const flags = (name: string) => memberPlace(btf.named('struct flags') ?? assert.fail(), name);
      assert.deepEqual(
        ['a', 'b', 'c', 'wide'].map((n) => 8 * flags(n).offset + (flags(n).bits?.at ?? 0)),
        [0, 3, 10, 64],
      );
      assert.deepEqual(
        ['a', 'b', 'c', 'wide'].map((n) => flags(n).bits?.width),
        [3, 7, 20, 40],
      );
      assert.equal(at('list.next').target().members()[0]?.type.name, 'struct list *');
      const run = btf.function('run');
      assert.equal(run?.result.name, 'u64');
      assert.deepEqual(
        run.parameters.map((p) => `${p.type.name} ${p.name}`),
        ['struct vcpu * vcpu', 'int reason'],
      );
      assert.equal(btf.named('struct nothing'), undefined);
      assert.throws(() => memberPlace(vcpu, 'ctxt.nix'), { name: 'SymbolError', message: /no member nix/ });
      assert.throws(() => memberPlace(vcpu, 'text[5]'), { name: 'SymbolError', message: /no element 5/ });
    });

    it('has the records that bpftool has', function () {
      if (!types) return this.skip();
      compare(new BtfFile(bytes, 'btf'), types);
    });

    it('is found in an image, behind bytes that only begin like it', () => {
      const image = new Uint8Array(4096 + bytes.length);
      image.set([0x9f, 0xeb, 1, 0, 24, 0, 0, 0], 8);
      image.set(bytes.subarray(0, 64), 64);
      image.set(bytes, 1024);
      assert.equal(Btf.ofImage(image, 'Image').named('struct vcpu')?.size, Number(facts[0]));
      const shared = Buffer.from(image.buffer, 512);
      assert.equal(Btf.ofImage(shared, 'Image').named('struct vcpu')?.size, Number(facts[0]));
      assert.throws(() => Btf.ofImage(image.slice(0, 1024), 'Image'), {
        name: 'SymbolError',
        message: /CONFIG_DEBUG_INFO_BTF/,
      });
    });

    it('survives changed bytes and truncation', () => {
      const change = fc.tuple(
        fc.nat(),
        fc.oneof(fc.constantFrom(0, 1, 4, 0x7f, 0x80, 0xff), fc.nat(255)),
        fc.nat(5),
      );
      fc.assert(
        fc.property(fc.array(change, { maxLength: 8 }), fc.option(fc.nat()), (changes, cut) => {
          const damaged = bytes.slice(0, cut === null ? bytes.length : cut % bytes.length);
          for (const [at, value, run] of changes) {
            const start = at % Math.max(1, damaged.length);
            damaged.fill(value, start, start + run);
          }
          try {
            const btf = new Btf(new BtfFile(damaged, 'btf'));
            for (let id = 0; id < btf.file.count; id++) {
              const type = btf.type(id);
              assert.ok(type.size >= 0 && Number.isSafeInteger(type.size));
              for (const member of type.members()) member.type.target().members();
              type.enumerators();
              memberPlace(type, 'ctxt.gp.regs[3]');
            }
            btf.function('run');
            btf.variables('.data');
          } catch (error) {
            assert.ok(error instanceof SymbolError, String(error));
          }
        }),
        { numRuns: 400 },
      );
    });

    it('does not go round in a circle', () => {
      // typedef -> const -> the same typedef; a struct whose anonymous members are itself; an array of itself.
      const record = (kind: number, vlen: number, word: number, ...rest: number[]) => [
        ...[1, (kind << 24) | vlen, word, ...rest],
      ];
      const words = [
        ...record(BtfKind.typedef, 0, 2),
        ...record(BtfKind.const, 0, 1),
        ...record(BtfKind.struct, 3, 8, 0, 3, 0, 0, 3, 0, 0, 3, 0),
        ...record(BtfKind.array, 0, 0, 4, 1, 0xffff_ffff),
      ];
      const strings = Buffer.from('\0a\0', 'latin1');
      const out = Buffer.alloc(24 + 4 * words.length + strings.length);
      out.writeUInt32LE(0x0001_eb9f, 0);
      [24, 0, 4 * words.length, 4 * words.length, strings.length].forEach((w, i) =>
        out.writeUInt32LE(w, 4 + 4 * i),
      );
      words.forEach((w, i) => out.writeUInt32LE(w >>> 0, 24 + 4 * i));
      strings.copy(out, 24 + 4 * words.length);
      const btf = new Btf(new BtfFile(out, 'btf'));
      assert.equal(btf.type(1).kind, 'void');
      assert.throws(() => memberPlace(btf.type(3), 'x'), { name: 'SymbolError' });
      assert.equal(btf.type(4).size, 0);
    });
  });

  it('reads every type of a Debian kernel as bpftool does', function () {
    requireTool(this, 'bpftool');
    const [kernel] = cachedKernels();
    if (kernel === undefined) return this.skip();
    const image = new Uint8Array(fs.readFileSync(kernel));
    const file = BtfFile.find(image, kernel) ?? assert.fail(kernel);
    assert.ok(file.count > 90_000);
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'ws-btf-'));
    try {
      // The same bytes for bpftool: the header says how long they are.
      const start = Buffer.from(image.buffer).indexOf(Buffer.from([0x9f, 0xeb, 1, 0, 24, 0, 0, 0]));
      const view = new DataView(image.buffer, start);
      const end = 24 + view.getUint32(16, true) + view.getUint32(20, true);
      fs.writeFileSync(path.join(dir, 'btf'), image.subarray(start, start + end));
      compare(file, bpftool(path.join(dir, 'btf')));
    } finally {
      fs.rmSync(dir, { recursive: true });
    }
  });

  it('finds the vcpu and the per-CPU data of KVM in Debian kernels', function () {
    if (cachedKernels().length === 0) return this.skip();
    for (const kernel of cachedKernels()) {
      const btf = Btf.ofImage(new Uint8Array(fs.readFileSync(kernel)), kernel);
      const vcpu = btf.named('struct kvm_vcpu') ?? assert.fail(kernel);
      assert.equal(memberPlace(vcpu, 'arch.ctxt.regs.pc').type.size, 8);
      assert.equal(memberPlace(vcpu, 'arch.ctxt.__hyp_running_vcpu').type.name, 'struct kvm_vcpu *');
      const variables = btf.variables('.data..percpu');
      assert.ok(variables.length > 250, kernel);
      const host = variables.find((v) => v.name === 'kvm_host_data');
      assert.equal(host?.type.name, 'struct kvm_host_data');
      assert.equal(host.size, host.type.size);
      assert.ok((btf.named('enum vcpu_sysreg')?.enumerators().length ?? 0) > 60);
    }
  });
});
