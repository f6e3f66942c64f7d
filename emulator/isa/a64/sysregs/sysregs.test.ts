/** The register table: names and encodings against GNU as, and that it hangs together. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireTool } from '../../../../test/support/oracles';
import { bitRange, encodingKey, parseControl } from '../../dsl/sysreg';
import { fieldRange, findSysreg, sysregNamed, sysregs } from '.';
import { explainControl } from './controls';

/** Assembles lines that each give one word; undefined for those that the assembler does not know. */
function assemble(lines: readonly string[]): (number | undefined)[] {
  const dir = mkdtempSync(join(tmpdir(), 'sysregs-'));
  try {
    const source = join(dir, 'a.s');
    const object = join(dir, 'a.o');
    const image = join(dir, 'a.bin');
    const known = lines.map(() => true);
    for (;;) {
      writeFileSync(
        source,
        `.arch armv8.5-a\n${lines.map((l, i) => (known[i] ? l : 'udf #0')).join('\n')}\n`,
      );
      const r = spawnSync('aarch64-linux-gnu-as', ['-o', object, source], { encoding: 'utf8' });
      if (r.status === 0) break;
      const bad = [...r.stderr.matchAll(/a\.s:(\d+): Error/g)].map((m) => Number(m[1]) - 2);
      assert.ok(bad.length > 0, r.stderr);
      for (const n of bad) known[n] = false;
    }
    spawnSync('aarch64-linux-gnu-objcopy', ['-O', 'binary', object, image]);
    const bytes = readFileSync(image);
    return lines.map((_, i) => (known[i] ? bytes.readUInt32LE(4 * i) : undefined));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

describe('system register table', () => {
  it('has the encodings that GNU as gives the names', function () {
    requireTool(this, 'aarch64-linux-gnu-as', 'aarch64-linux-gnu-objcopy');
    const lines = sysregs.map((r) => (r.access === 'wo' ? `msr ${r.name}, x0` : `mrs x0, ${r.name}`));
    const words = assemble(lines);
    let compared = 0;
    sysregs.forEach((r, i) => {
      const word = words[i];
      if (word === undefined) return;
      compared++;
      assert.equal((word >>> 5) & 0xffff, encodingKey(r.enc), r.name);
    });
    // Binutils does not name the implementation defined ones.
    assert.ok(compared > sysregs.length - 12, `only ${compared} of ${sysregs.length} names are known`);
  });

  it('has each name and each encoding once', () => {
    assert.equal(new Set(sysregs.map((r) => r.name.toLowerCase())).size, sysregs.length);
    assert.equal(new Set(sysregs.map((r) => encodingKey(r.enc))).size, sysregs.length);
  });

  for (const r of sysregs) {
    it(`${r.name}: fields fit and do not overlap, controls exist`, () => {
      for (const layout of [r.fields ?? {}, r.e2hFields ?? {}]) {
        const taken = new Map<number, string>();
        for (const [name, bits] of Object.entries(layout)) {
          const { lsb, width } = bitRange(bits);
          assert.ok(lsb >= 0 && width > 0 && lsb + width <= 64, name);
          for (let i = lsb; i < lsb + width; i++) {
            // Two layouts: of success and fault, of hardware and software interrupts.
            if (r.name === 'PAR_EL1' || r.name.startsWith('ICH_LR')) continue;
            assert.ok(!taken.has(i), `${name} and ${taken.get(i)} share bit ${i}`);
            taken.set(i, name);
          }
        }
      }
      if (r.e2h) assert.equal(sysregNamed(r.e2h).min, 2);
      for (const t of r.trap ?? []) {
        for (const c of [t.when].flat()) {
          const p = parseControl(c);
          fieldRange(p.register, p.field);
          assert.ok(sysregNamed(p.register).storage, `${p.register} cannot be read by a trap rule`);
        }
      }
      if (r.same) assert.ok(sysregNamed(r.same).storage);
      assert.ok(!r.computed || r.read || r.access === 'wo', 'a computed register needs `read`');
      assert.ok(!r.computed || r.write || r.access === 'ro' || r.id, 'a computed register needs `write`');
    });
  }

  it('finds registers by name in any case, and by aliases', () => {
    assert.equal(findSysreg('hcr_el2')?.name, 'HCR_EL2');
    assert.equal(findSysreg('SPSR_hyp')?.name, 'SPSR_EL2');
    assert.equal(findSysreg('nothing_el1'), undefined);
  });

  it('evaluates controls', () => {
    const explain = (control: string, values: Record<string, bigint>): unknown[] => {
      const { holds, value, text } = explainControl(control, (name) => values[name] ?? 0n);
      return [holds, value, text];
    };
    const hcr = (...bits: bigint[]): bigint => bits.reduce((v, b) => v | (1n << b), 0n);
    const [tvm, tge, e2h, twi] = [26n, 27n, 34n, 13n];
    const cases: [string, Record<string, bigint>, unknown[]][] = [
      ['HCR_EL2.TVM', { HCR_EL2: hcr(tvm) }, [true, 1n, 'HCR_EL2.TVM = 1']],
      ['!HCR_EL2.TVM', { HCR_EL2: hcr(tvm) }, [false, 1n, 'HCR_EL2.TVM = 1']],
      ['CPACR_EL1.FPEN=0|2', { CPACR_EL1: 2n << 20n }, [true, 2n, 'CPACR_EL1.FPEN = 2']],
      ['CPACR_EL1.FPEN=0|2', { CPACR_EL1: 1n << 20n }, [false, 1n, 'CPACR_EL1.FPEN = 1']],
      // HCR_EL2.TVM behaves as 0 with TGE, TWI with E2H and TGE (D17.2.48).
      ['HCR_EL2.TVM', { HCR_EL2: hcr(tvm, tge) }, [false, 0n, 'HCR_EL2.TVM = 0']],
      ['HCR_EL2.TWI', { HCR_EL2: hcr(twi, tge) }, [true, 1n, 'HCR_EL2.TWI = 1']],
      ['HCR_EL2.TWI', { HCR_EL2: hcr(twi, tge, e2h) }, [false, 0n, 'HCR_EL2.TWI = 0']],
      // The controls of EL1 over EL0 are those of EL2 in a host.
      ['!SCTLR_EL1.UCT', { SCTLR_EL2: 1n << 15n }, [true, 0n, 'SCTLR_EL1.UCT = 0']],
      ['!SCTLR_EL1.UCT', { SCTLR_EL2: 1n << 15n, HCR_EL2: hcr(tge, e2h) }, [false, 1n, 'SCTLR_EL2.UCT = 1']],
      // SCTLR_EL2 has no UMA: EL0 of a host never masks interrupts.
      ['!SCTLR_EL1.UMA', { SCTLR_EL2: -1n, HCR_EL2: hcr(tge, e2h) }, [true, 0n, 'SCTLR_EL2.UMA = 0']],
      // Bit 0 of CNTHCTL_EL2 without E2H, bit 10 with it.
      ['CNTHCTL_EL2.EL1PCTEN', { CNTHCTL_EL2: 1n }, [true, 1n, 'CNTHCTL_EL2.EL1PCTEN = 1']],
      [
        'CNTHCTL_EL2.EL1PCTEN',
        { CNTHCTL_EL2: 1n, HCR_EL2: hcr(e2h) },
        [false, 0n, 'CNTHCTL_EL2.EL1PCTEN = 0'],
      ],
    ];
    for (const [control, values, expected] of cases) assert.deepEqual(explain(control, values), expected);
    assert.throws(() => parseControl('HCR_EL2'), /is not a control/);
  });
});
