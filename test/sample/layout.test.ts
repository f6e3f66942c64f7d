import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { requireTool } from '../support/oracles';
import { SAMPLE_TOOLS, SampleBuild } from './gnu';

interface LayoutRecord {
  readonly kind: number;
  readonly numbers: readonly bigint[];
  readonly strings: readonly string[];
}

const [STRUCT, FIELD, VALUE, CHAIN, ARRAY, ALIAS] = [1, 2, 3, 4, 5, 6] as const;

/** Splits the section by the rules of hypervisor/ABI.md, and fails on everything that those rules do not allow. */
function split(section: Buffer): LayoutRecord[] {
  assert.equal(section.toString('latin1', 0, 8), 'WSLAYOUT');
  assert.equal(section.readUInt32LE(8), 1);
  const records: LayoutRecord[] = [];
  let at = 16;
  while (at < section.length) {
    const length = section.readUInt32LE(at + 4);
    assert.ok(
      length >= 40 && length % 8 === 0 && at + length <= section.length,
      `record at ${at}: length ${length}`,
    );
    const text = section.toString('latin1', at + 32, at + length).split('\0');
    records.push({
      kind: section.readUInt32LE(at),
      numbers: [8, 16, 24].map((offset) => section.readBigUInt64LE(at + offset)),
      strings: text.slice(0, 5),
    });
    assert.ok(
      text.slice(5).every((rest) => rest === ''),
      `record at ${at}: more than five strings`,
    );
    at += length;
  }
  assert.equal(at, section.length);
  return records;
}

describe('The layout section of the reference hypervisor', function () {
  let build: SampleBuild;
  let records: LayoutRecord[];
  let symbols: Map<string, bigint>;
  const of = (kind: number): LayoutRecord[] => records.filter((record) => record.kind === kind);

  before(function () {
    requireTool(this, ...SAMPLE_TOOLS);
    build = new SampleBuild();
    const elf = build.build();
    const dump = join(build.folder, 'layout.bin');
    build.run('aarch64-linux-gnu-objcopy', ['--dump-section', `.worldswitch.layout=${dump}`, elf]);
    records = split(readFileSync(dump));
    symbols = new Map(
      build
        .run('aarch64-linux-gnu-nm', [elf])
        .split('\n')
        .map((line) => line.split(' '))
        .flatMap(([value, , name]) =>
          name === undefined ? [] : [[name, BigInt(`0x${value ?? ''}`)] as const],
        ),
    );
  });
  after(() => build?.dispose());

  it('gives each field the offset, and each struct the size, that the code uses', () => {
    assert.ok(of(FIELD).length > 50);
    for (const { numbers, strings } of of(FIELD)) {
      assert.equal(numbers[0], symbols.get(`${strings[0]}.${strings[1]}`), strings.join(' '));
    }
    for (const { numbers, strings } of of(STRUCT))
      assert.equal(numbers[0], symbols.get(`${strings[0]}.size`));
  });

  it('has fields that neither overlap nor leave their struct', () => {
    for (const { numbers, strings } of of(STRUCT)) {
      let end = 0n;
      for (const field of of(FIELD).filter((record) => record.strings[0] === strings[0])) {
        const [offset = 0n, size = 0n, count = 0n] = field.numbers;
        assert.ok(offset >= end, field.strings.join(' '));
        end = offset + size * count;
      }
      assert.ok(end > 0n && end <= (numbers[0] ?? 0n), strings[0]);
    }
  });

  it('names only structs and enumerations that it declares', () => {
    const structs = new Set(of(STRUCT).map((record) => record.strings[0]));
    const enums = new Set(of(VALUE).map((record) => record.strings[0]));
    const known: Record<string, (name: string) => boolean> = {
      '': (name) => name === '',
      gpr: (name) => name === '',
      vec: (name) => name === '',
      sysreg: (name) => /^[a-z0-9_]+\*?[a-z0-9_]*$/.test(name),
      irqs: (name) => name === '',
      struct: (name) => structs.has(name),
      ptr: (name) => structs.has(name),
      enum: (name) => enums.has(name),
    };
    for (const { strings } of of(FIELD)) {
      assert.ok(known[strings[2] ?? '']?.(strings[3] ?? ''), strings.join(' '));
    }
  });

  it('leads from TPIDR_EL2 to the running vcpu, through fields that exist', () => {
    const steps = new Map(of(FIELD).map(({ strings }) => [`${strings[0]}.${strings[1]}`, strings] as const));
    for (const name of ['host_context', 'current_vcpu']) {
      const chain = of(CHAIN).find((record) => record.strings[0] === name)?.strings;
      assert.equal(chain?.[1], 'tpidr_el2');
      let struct = chain?.[2] ?? '';
      for (const field of (chain?.[3] ?? '').split('.')) {
        const step = steps.get(`${struct}.${field}`);
        assert.ok(step && (step[2] === 'struct' || step[2] === 'ptr'), `${struct}.${field}`);
        struct = step[3] ?? '';
      }
      assert.equal(struct, chain?.[4]);
    }
  });

  it('places arrays and aliases where the symbols are', () => {
    const vcpus = of(ARRAY).find((record) => record.strings[0] === 'vcpus');
    assert.deepEqual(vcpus?.numbers, [symbols.get('vcpus'), 1n, 0n]);
    assert.equal(vcpus?.strings[1], 'vcpu');
    const text = of(ALIAS).find((record) => record.numbers[0] === symbols.get('hyp_text_start'));
    assert.deepEqual(text?.numbers, [
      symbols.get('hyp_text_start'),
      symbols.get('hyp_text_end'),
      0x70_0000_0000n,
    ]);
    assert.deepEqual(text?.strings.slice(0, 2), ['EL2', '']);
  });
});
