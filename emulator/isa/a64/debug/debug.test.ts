import assert from 'node:assert/strict';
import { common } from '../../../ir/state';
import type { DebugCpu, ReadRegister } from '../../dsl/debug';
import { a64Debug } from './debug';
import { cpuModel, resetCpu } from '../cpus';
import { layout, SP, state } from '../state';
import { sysregs } from '../sysregs';

/** A CPU after reset, with nothing around it. */
class BareCpu implements DebugCpu {
  readonly view = new DataView(new ArrayBuffer(layout.end));
  readonly block = 0;
  readonly features = cpuModel('cortex-a57').features;
  /** Names of the fields that became inputs. */
  readonly inputs: string[] = [];

  constructor() {
    resetCpu({ set: (_cpu, f, v, i = 0) => this.put(f, v, i) }, 0, cpuModel('cortex-a57'));
  }

  private at(f: { offset: number; stride: number }, index: number): number {
    return f.offset + index * f.stride;
  }

  put(f: (typeof state)['x'], v: bigint, index = 0): void {
    const at = this.at(f, index);
    if (f.bytes === 8) this.view.setBigUint64(at, BigInt.asUintN(64, v), true);
    else this.view.setUint32(at, Number(BigInt.asUintN(32, v)), true);
  }

  get(f: (typeof state)['x'], index = 0): bigint {
    const at = this.at(f, index);
    return f.bytes === 8 ? this.view.getBigUint64(at, true) : BigInt(this.view.getUint32(at, true));
  }

  input(f: (typeof state)['x'], value: bigint, index = 0): void {
    this.inputs.push(f.name);
    this.put(f, value, index);
  }

  peekDevice(): bigint {
    return 0n;
  }

  inputDevice(register: string, value: bigint): void {
    this.inputs.push(`${register} = ${value}`);
  }

  call(): void {
    throw new Error('no code here');
  }

  read(name: string): bigint {
    const value = a64Debug.find(name)?.read?.(this);
    assert.ok(value !== undefined, name);
    return value;
  }

  write(name: string, value: bigint): void {
    const register = a64Debug.find(name);
    assert.ok(register?.write, `${name} is not writable`);
    register.write(this, value);
  }
}

describe('A64 as the debugger sees it', () => {
  const scopes = a64Debug.scopes.flatMap((s) => s.groups.flatMap((g) => g.registers));

  it('writes a register of the GIC as the CPU would: a guest’s is the virtual one', () => {
    const cpu = new BareCpu();
    cpu.write('ICC_PMR_EL1', 0x80n);
    cpu.write('HCR_EL2', 0x80000018n);
    cpu.inputs.length = 0;
    cpu.put(state.el, 1n);
    cpu.write('ICC_PMR_EL1', 0x90n);
    cpu.write('ICC_IGRPEN1_EL1', 1n);
    assert.deepEqual(cpu.inputs, ['ICV_PMR_EL1 = 144', 'ICV_IGRPEN1_EL1 = 1']);
    for (const name of ['ICC_EOIR1_EL1', 'ICC_SGI1R_EL1', 'ICC_IAR1_EL1'])
      assert.equal(a64Debug.find(name)?.write, undefined, name);
  });

  it('shows every system register that software can read, once', () => {
    const shown = scopes.map((r) => r.name);
    assert.equal(new Set(shown).size, shown.length);
    const pstate = new Set(['NZCV', 'DAIF', 'CurrentEL', 'SPSel', 'PAN', 'UAO']);
    const wanted = sysregs
      .filter((r) => r.access !== 'wo' && r.min !== 3 && !r.alias && !pstate.has(r.name))
      .map((r) => r.name);
    assert.deepEqual(
      wanted.filter((name) => !shown.includes(name)),
      [],
    );
  });

  it('reads every register without changing anything', () => {
    const cpu = new BareCpu();
    const before = new Uint8Array(cpu.view.buffer).slice();
    for (const name of a64Debug.names) {
      const register = a64Debug.find(name);
      assert.ok(register, name);
      const value = register.read?.(cpu);
      if (value !== undefined) assert.ok(value >= 0n && value >> BigInt(register.width) === 0n, name);
    }
    assert.deepEqual(new Uint8Array(cpu.view.buffer), before);
    assert.deepEqual(cpu.inputs, []);
  });

  it('keeps fields inside their registers', () => {
    for (const r of scopes)
      for (const f of r.fields) {
        assert.ok(f.lsb + f.width <= r.width, `${r.name}.${f.name}`);
        for (const v of Object.keys(f.values ?? {}))
          assert.ok(Number(v) < 2 ** f.width, `${r.name}.${f.name}=${v}`);
      }
  });

  it('writes as MSR does: masks, set and clear registers, computed values', () => {
    const cpu = new BareCpu();
    // Bits 33-0 of HCR_EL2 exist without VHE and RAS (Armv8.0).
    cpu.write('HCR_EL2', (1n << 64n) - 1n);
    assert.equal(cpu.read('HCR_EL2'), 0x3ffffffffn);
    // VI is an interrupt line of its own.
    assert.notEqual(cpu.get(common.irqLines), 0n);
    assert.ok(cpu.inputs.includes('irqLines'));
    cpu.write('PMCNTENSET_EL0', 3n);
    cpu.write('PMCNTENCLR_EL0', 1n);
    assert.equal(cpu.read('PMCNTENSET_EL0'), 2n);
    // A compare value in the past: the timer's condition is met.
    cpu.write('CNTV_CTL_EL0', 1n);
    assert.equal(cpu.read('CNTV_CTL_EL0'), 5n);
    for (const name of ['MIDR_EL1', 'ISR_EL1', 'CNTPCT_EL0', 'CurrentEL'])
      assert.equal(a64Debug.find(name)?.write, undefined, name);
  });

  it('knows which stack pointer is in use', () => {
    const cpu = new BareCpu();
    cpu.put(state.el, 1n);
    cpu.put(state.x, 0x1111n, SP);
    cpu.put(state.spEl, 0x2222n, 0);
    cpu.put(state.spEl, 0xdeadn, 1);
    assert.deepEqual([cpu.read('sp'), cpu.read('SP_EL1'), cpu.read('SP_EL0')], [0x1111n, 0x1111n, 0x2222n]);
    cpu.write('SP_EL1', 0x3333n);
    assert.equal(cpu.read('sp'), 0x3333n);
    cpu.write('cpsr', cpu.read('cpsr') & ~1n);
    assert.deepEqual([cpu.read('sp'), cpu.read('SP_EL1'), cpu.read('SP_EL0')], [0x2222n, 0x3333n, 0x2222n]);
  });

  it('writes PSTATE but not the exception level', () => {
    const cpu = new BareCpu();
    cpu.write('cpsr', 0xf0000000n);
    assert.equal(cpu.read('NZCV'), 0xf0000000n);
    assert.equal(cpu.read('DAIF'), 0n);
    assert.equal(cpu.read('CurrentEL'), 8n);
  });

  it('finds registers in any case, and their parts', () => {
    const pairs: readonly (readonly [string, string])[] = [
      ['X0', 'x0'],
      ['fp', 'x29'],
      ['LR', 'x30'],
      ['hcr_el2', 'HCR_EL2'],
      ['pstate', 'cpsr'],
    ];
    for (const [name, canonical] of pairs) assert.equal(a64Debug.find(name)?.name, canonical);
    assert.deepEqual(a64Debug.find('w30')?.part, { register: 'x30', width: 32 });
    assert.deepEqual(a64Debug.find('s7')?.part, { register: 'v7', width: 32 });
    for (const name of ['x31', 'w31', 'v32', 'HCR_EL4', ''])
      assert.equal(a64Debug.find(name), undefined, name);
    assert.deepEqual([a64Debug.dwarf[29], a64Debug.dwarf[31], a64Debug.dwarf[64]], ['x29', 'sp', 'v0']);
  });

  describe('syndromes', () => {
    const registers =
      (values: Readonly<Record<string, bigint>>): ReadRegister =>
      (name) =>
        values[name] ?? 0n;
    const guest = { SPSR_EL2: 0x3c5n };

    /** ESR, registers beside it, level: sentence and reason. Encodings are those of Arm ARM DDI 0487 D17.2.37. */
    const rows: readonly (readonly [
      string,
      bigint,
      Record<string, bigint>,
      number,
      RegExp,
      RegExp | undefined,
    ])[] = [
      ['HVC', 0x5a000004n, guest, 2, /^HVC #4 at EL1, taken to EL2 \(EC 0x16\)\.$/, /HVC at EL1/],
      ['SVC', 0x56000000n, {}, 1, /^SVC #0 at EL0, taken to EL1/, /SVC at EL0 is taken to EL1/],
      ['SMC', 0x5e000001n, { ...guest, HCR_EL2: 1n << 19n }, 2, /^SMC #1 at EL1/, /HCR_EL2\.TSC = 1/],
      [
        'WFI',
        0x05e00000n,
        { ...guest, HCR_EL2: 1n << 13n },
        2,
        /^WFI at EL1/,
        /HCR_EL2\.TWI = 1: WFI at EL1/,
      ],
      ['WFE, controls changed since', 0x05e00001n, guest, 2, /^WFE at EL1/, undefined],
      ['unknown', 0x02000000n, {}, 1, /^Undefined instruction at EL0/, /./],
      // MRS X3, CNTPCT_EL0: op0 3, op2 1, op1 3, CRn 14, Rt 3, CRm 0, read.
      ['MRS', 0x62000000n | 0x32f861n, guest, 2, /^MRS X3, CNTPCT_EL0 at EL1/, /CNTHCTL_EL2\.EL1PCTEN = 0/],
      // MSR SCTLR_EL1, X5 with HCR_EL2.TVM: op0 3, op2 0, op1 0, CRn 1, Rt 5, CRm 0, write.
      [
        'MSR',
        0x62000000n | 0x3004a0n,
        { ...guest, HCR_EL2: 1n << 26n },
        2,
        /^MSR SCTLR_EL1, X5 at EL1/,
        /HCR_EL2\.TVM = 1/,
      ],
      // ISV, SAS 2, SRT 2, WnR, translation fault level 3.
      [
        'stage 2 data abort',
        0x93820047n,
        { ...guest, FAR_EL2: 0x9000018n, HPFAR_EL2: 0x90000n, HCR_EL2: 1n },
        2,
        /^EL1 write of 4 bytes with W2 at 0x9000018 \(IPA 0x9000018\): stage 2 translation fault, level 3, taken to EL2/,
        /stage 2 data abort at EL1/,
      ],
      [
        'stage 2 instruction abort',
        0x82000005n,
        { ...guest, FAR_EL2: 0x200n, HPFAR_EL2: 0n, HCR_EL2: 1n },
        2,
        /^Instruction fetch at 0x200 \(IPA 0x200\) at EL1: stage 2 translation fault, level 1/,
        /./,
      ],
      [
        'data abort of EL1 itself',
        0x9600000dn,
        { SPSR_EL1: 0x3c5n, FAR_EL1: 0x1000n },
        1,
        /^EL1 read at 0x1000: permission fault, level 1, taken to EL1/,
        /a data abort at EL1/,
      ],
      ['no address', 0x92000410n, { FAR_EL1: 5n }, 1, /at an unknown address: external abort/, /./],
      ['a class that nothing here takes', 0xfe000000n, guest, 2, /^Exception class 0x3f at EL1/, undefined],
      ['BRK', 0xf2000003n, {}, 1, /^BRK #3 at EL0/, /./],
    ];
    for (const [what, esr, values, level, sentence, reason] of rows)
      it(`explains ${what}`, () => {
        const s = a64Debug.decodeSyndrome(esr, level, registers(values));
        assert.match(s.sentence, sentence);
        if (reason) assert.match(s.reason ?? '', reason);
        else assert.equal(s.reason, undefined);
        for (const d of s.details) assert.ok(d.value >> BigInt(d.width) === 0n, d.name);
      });

    it('has none before the first exception', () => {
      assert.equal(a64Debug.syndrome(2, registers({})), undefined);
      assert.equal(a64Debug.syndrome(0, registers({ ESR_EL1: 0x56000000n })), undefined);
    });

    it('explains interrupts by their routing', () => {
      const why = a64Debug.explainInterrupt('IRQ', 1, 2, registers({ HCR_EL2: 1n << 4n }));
      assert.match(why ?? '', /^HCR_EL2\.IMO = 1: IRQ at EL1 is taken to EL2/);
      assert.equal(a64Debug.explainInterrupt('IRQ', 1, 2, registers({})), undefined);
    });

    it('survives any syndrome', () => {
      for (let ec = 0; ec < 64; ec++)
        for (const iss of [0, 0x1ffffff, 0x155aaaa, 0xaaaaaa]) {
          const s = a64Debug.decodeSyndrome(
            (BigInt(ec) << 26n) | BigInt(iss),
            2,
            registers({ SPSR_EL2: BigInt(ec) }),
          );
          assert.match(s.sentence, /taken to EL2 \(EC 0x[0-9a-f]{2}\)\.$/);
        }
    });
  });

  describe('interrupted contexts', () => {
    const read =
      (spsr: bigint, elr: bigint): ReadRegister =>
      (name) =>
        name === 'SPSR_EL2' ? spsr : name === 'ELR_EL2' ? elr : 0n;
    const rows: readonly (readonly [bigint, number | undefined, string | undefined])[] = [
      [0x3c5n, 1, 'SP_EL1'],
      [0x3c4n, 1, 'SP_EL0'],
      [0x3c0n, 0, 'SP_EL0'],
      [0x3c9n, 2, 'sp'],
      // AArch32, EL3, and a mode that does not exist.
      [0x1d3n, undefined, undefined],
      [0x3cdn, undefined, undefined],
      [0x3c2n, undefined, undefined],
    ];
    for (const [spsr, level, stack] of rows)
      it(`reads SPSR_EL2 = 0x${spsr.toString(16)}`, () => {
        const context = a64Debug.interrupted(2, read(spsr, 0x1000n));
        assert.deepEqual([context?.level, context?.registers.get('sp')], [level, stack]);
      });
    it('has none after reset', () => assert.equal(a64Debug.interrupted(2, read(0n, 0n)), undefined));
  });

  it('knows calls', () => {
    // Words by GNU as at 0x1000: bl 0xff0; bl 0x1010; blr x3; b 0x1010; ret.
    const rows: readonly (readonly [number, bigint | 'indirect' | undefined])[] = [
      [0x97fffffc, 0xff0n],
      [0x94000004, 0x1010n],
      [0xd63f0060, 'indirect'],
      [0x14000004, undefined],
      [0xd65f03c0, undefined],
    ];
    for (const [word, target] of rows) assert.equal(a64Debug.callTarget(word, 0x1000n), target);
  });
});
