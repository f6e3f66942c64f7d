/** The way out of a guest and back: what it costs, and that it needs no stack. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { stepVisit, toTrap, type Visit } from './el2-steps';
import { buildProgram, type Patch } from './program';
import { Rig } from './rig';
import { WreckedStack } from './wreck';

const GOLDEN = path.join(__dirname, 'golden/exit-cost.txt');
const STORY = 'main.S';

/** Exception classes (Arm ARM DDI 0487, ESR_ELx.EC) that occur here. */
const causes: Readonly<Record<number, string>> = {
  0x01: 'WFI or WFE',
  0x07: 'FP or SIMD',
  0x16: 'HVC',
  0x17: 'SMC',
  0x18: 'system register',
  0x20: 'instruction abort',
  0x24: 'data abort',
};

const cause = (v: Visit): string =>
  v.vector & 0x180 ? 'interrupt' : (causes[Number(v.esr >> 26n)] ?? 'something else');

/** Steps through the first `visits` stays at EL2 of a run. */
function follow(rig: Rig, visits: number, each?: (cpu: number, before: boolean) => void): Visit[] {
  const out: Visit[] = [];
  for (let n = 0; n < visits; n++) {
    const cpu = toTrap(rig);
    if (cpu === undefined) break;
    out.push(stepVisit(rig, cpu, (c) => each?.(c, true)));
    each?.(cpu, false);
  }
  return out;
}

/** Values of doublewords in a piece of memory. */
function doublewords(rig: Rig, from: bigint, to: bigint): Set<bigint> {
  const bytes = Buffer.from(rig.machine.physical.peek(from, Number(to - from)));
  return new Set(Array.from({ length: bytes.length / 8 }, (_, n) => bytes.readBigUInt64LE(8 * n)));
}

/** The first stay at EL2 during which the address of a vcpu came to lie on EL2's stack; undefined: it never did. */
function vcpuOnStack(patches: readonly Patch[] = []): string | undefined {
  const program = buildProgram(STORY, patches);
  const rig = new Rig(program);
  const [from, to] = [program.symbol('hyp_stack'), program.symbol('hyp_stack_end')];
  const [vcpus, end] = [program.symbol('vcpus'), program.symbol('vcpus') + program.symbol('vcpu.size')];
  let found: string | undefined;
  const visits = follow(rig, 60, (cpu) => {
    if (found !== undefined) return;
    for (const value of doublewords(rig, from, to)) {
      // By the address that EL2 uses, or by that of the host: they differ above bit 32.
      const link = value & 0xffff_ffffn;
      if (link >= vcpus && link < end)
        found = `0x${value.toString(16)}, before 0x${rig.machine.pc(cpu).toString(16)}`;
    }
  });
  assert.ok(visits.some((v) => v.from === 'guest' && v.to === 'host'));
  assert.ok(visits.some((v) => v.from === 'host' && v.to === 'guest'));
  return found;
}

/** How often a kind of visit is followed: it may cost more the first time. */
const REPEAT = 3;

function costs(): string {
  const rig = new Rig(buildProgram(STORY));
  const rows = new Set<string>();
  const seen = new Map<string, number>();
  for (let cpu = toTrap(rig); cpu !== undefined; cpu = toTrap(rig)) {
    const kind = `${rig.view.isGuest(cpu)} ${rig.machine.pc(cpu) & 0x780n} ${rig.view.reg(cpu, 'ESR_EL2')} ${rig.view.x(cpu, 0)}`;
    const times = (seen.get(kind) ?? 0) + 1;
    seen.set(kind, times);
    if (times > REPEAT) continue;
    const visit = stepVisit(rig, cpu);
    if (visit.from === 'host' && visit.to === 'host') continue;
    const what = visit.from === 'guest' ? `guest: ${cause(visit)} -> ${visit.to}` : 'host: vcpu_run -> guest';
    const numbers = [visit.instructions, visit.loads, visit.stores].map((n) => String(n).padStart(8));
    rows.add(`${what.padEnd(34)}${numbers.join('')}`);
  }
  const head = `${''.padEnd(34)}${['instr.', 'loads', 'stores'].map((s) => s.padStart(8)).join('')}`;
  return `${[head, ...[...rows].sort()].join('\n')}\n`;
}

describe('The exit path of the reference hypervisor', function () {
  it('costs what the golden file says', () => {
    const now = costs();
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(GOLDEN, now);
    assert.equal(now, readFileSync(GOLDEN, 'utf8'), 'UPDATE_GOLDEN=1 accepts a change');
  });

  it('never has the vcpu pointer on the stack of EL2', () => {
    assert.equal(vcpuOnStack(), undefined);
  });

  it('would be caught with it there', () => {
    const found = vcpuOnStack([
      {
        file: 'hyp/exits.S',
        before: '\tmov\tsp, x1\n\tsave_sp_pc_pstate\n',
        after: '\tmov\tsp, x1\n\tstr\tx0, [sp, #-16]!\n\tsave_sp_pc_pstate\n',
      },
    ]);
    assert.match(found ?? '', /^0x7/);
  });

  it('needs no stack: with SP_EL2 and the stack wrecked at every exception, everything is as always', () => {
    const plain = new Rig(buildProgram(STORY));
    plain.run();
    const rig = new Rig(buildProgram(STORY));
    const wreck = rig.observe((r) => new WreckedStack(r));
    assert.equal(rig.run(), 'off');
    assert.ok(wreck.times > 400, `${wreck.times}`);
    assert.equal(rig.uart, plain.uart);
  });

  it('would be caught using SP_EL2 before it is reloaded', () => {
    const rig = new Rig(
      buildProgram(STORY, [
        {
          file: 'hyp/exits.S',
          before: '\tsave_x3_to_x30\n',
          after: '\tstr\tx3, [sp, #-16]\n\tsave_x3_to_x30\n',
        },
      ]),
    );
    rig.observe((r) => new WreckedStack(r));
    rig.run(undefined, 3_000_000);
    assert.match(rig.uart, /hyp: panic/);
  });

  it('reaches the panic without a stack, and the panic tells the truth', () => {
    const rig = new Rig(
      buildProgram(STORY, [
        // The answer to PSCI_VERSION of the guest goes to an address that EL2 does not map.
        { file: 'hyp/exits.S', before: '\tstr\tx2, [x0, #vcpu.ctxt + ctxt.x]\n', after: '\tstr\tx2, [x2]\n' },
      ]),
    );
    rig.observe((r) => new WreckedStack(r));
    let known = '';
    const hex = (v: bigint): string => `0x${v.toString(16).padStart(16, '0')}`;
    rig.observe((r) => ({
      name: 'panic',
      kinds: ['entry'],
      event: (m) => {
        if (m.from !== 2) return;
        const line = (name: string): string =>
          `hyp:   ${name.toLowerCase().padEnd(9)}  ${hex(r.view.reg(m.cpu, name))}\n`;
        const vcpu = r.program.symbol('vcpus') + 0x70_0000_0000n;
        known = `hyp: panic\n${['ELR_EL2', 'ESR_EL2', 'FAR_EL2', 'HPFAR_EL2', 'PAR_EL1'].map(line).join('')}hyp:   cpu        ${hex(0n)}\nhyp:   vcpu       ${hex(vcpu)}\n`;
      },
    }));
    assert.equal(rig.run(), 'off');
    assert.notEqual(known, '');
    assert.ok(rig.uart.endsWith(known), `${rig.uart}\nknown:\n${known}`);
  });
});
