/** A guest that wants out stays in. */
import assert from 'node:assert/strict';
import { HOST_COLOUR } from './dye';
import { judge } from './judge';
import { buildProgram, type Patch, type Program, type Story } from './program';
import { reports } from './reports';
import { Rig } from './rig';

const MALICIOUS: Story = {
  name: 'malicious',
  vms: ['entry=malicious, arg=0', 'entry=host_storm, arg=20'],
  payloads: ['malicious.S', 'exit-storm.S'],
};
const SPIN: Story = { name: 'malicious-spin', vms: ['entry=malicious_spin'], payloads: ['malicious.S'] };

/** What malicious.S stores everywhere, and where it looks: its list has 17 addresses. */
const MARK = Buffer.from(0x6d61_6c69_6369_6f75n.toString(16).match(/../g)!.reverse().join(''), 'hex');
const ADDRESSES = 17;

interface Window {
  readonly from: number;
  readonly to: number;
}

/** Where guest memory begins, as an offset in RAM, and how much each machine has: hypervisor/ABI.md. */
const memoryOf = (vm: number): Window => {
  const from = 0x1000_0000 + (vm - 1) * 0x200_0000;
  return { from, to: from + 0x200_0000 };
};

/** Offsets in RAM at which some bytes are found, those in `except` left out. */
function occurrences(rig: Rig, what: Buffer, except: readonly Window[]): number[] {
  const { memory, layout, config } = rig.machine;
  const ram = Buffer.from(memory.buffer, layout.ramHost, config.ramBytes);
  const out: number[] = [];
  for (let at = ram.indexOf(what); at >= 0; at = ram.indexOf(what, at + 1))
    if (!except.some((w) => at >= w.from && at < w.to)) out.push(at);
  return out;
}

const image = (program: Program): Window => ({
  from: Number(program.symbol('guest_image_start') - 0x4000_0000n),
  to: Number(program.symbol('guest_image_end') - 0x4000_0000n),
});

function run(story: Story, patches: readonly Patch[] = [], instructions?: number): Rig {
  const rig = new Rig(buildProgram(story, patches), { memory: 320 << 20 });
  judge(rig, { hostFp: true, guests: false });
  rig.run(undefined, instructions);
  return rig;
}

const value = (rig: Rig, tag: number): bigint | undefined => {
  const found = reports(rig.uart, tag).get('1.0');
  return found === undefined ? undefined : BigInt(`0x${found}`);
};

describe('A malicious guest', function () {
  let rig: Rig;
  before(() => {
    rig = run(MALICIOUS);
  });

  it('ends, and its neighbour too', () => {
    assert.equal(rig.computer.ended?.kind, 'poweroff', rig.uart);
    assert.match(rig.uart, /malicious: could not get out/);
    assert.match(rig.uart, /storm: is over/);
    assert.deepEqual(rig.complaints, []);
  });

  it('gets an abort of its own for every address that is not its own: read, write, atomic', () => {
    for (const tag of [0xbad1, 0xbad2, 0xbad3, 0xbad4]) assert.equal(value(rig, tag), undefined, rig.uart);
    assert.equal(value(rig, 0xe1), BigInt(3 * ADDRESSES));
  });

  it('has written nothing outside of its memory', () => {
    const allowed = [memoryOf(1), image(rig.program), memoryOf(2)];
    assert.deepEqual(occurrences(rig, MARK, allowed), []);
    // Copies of the image are in both machines; only the one that ran it has more.
    assert.equal(occurrences(rig, MARK, [image(rig.program), memoryOf(1)]).length, 1);
  });

  it('finds nothing of others in any register at its first instruction', () => {
    const { program } = rig;
    const from = program.symbol('malicious_registers') + 0x1000_0000n;
    const to = program.symbol('malicious_registers_end') + 0x1000_0000n;
    const words = Buffer.from(rig.machine.physical.peek(from, Number(to - from)));
    const sctlr = program.symbol('malicious_system') - program.symbol('malicious_registers') + 8n;
    for (let at = 0; at < words.length; at += 8)
      if (BigInt(at) !== sctlr) assert.equal(words.readBigUInt64LE(at), 0n, `at +${at}`);
  });

  it('has no value of the host anywhere in its memory', () => {
    const inGuests = occurrences(rig, HOST_COLOUR, []).filter((at) => at >= memoryOf(1).from);
    assert.deepEqual(inGuests, []);
    // The host's colour is in memory: where the hypervisor keeps the host's registers.
    assert.ok(occurrences(rig, HOST_COLOUR, [{ from: memoryOf(1).from, to: 320 << 20 }]).length > 0);
  });

  it('gets Undefined Instruction exceptions for registers and instructions of EL2', () => {
    assert.equal(value(rig, 0xe2), 39n);
    assert.equal(value(rig, 0xe3), 0n);
  });

  it('is refused every call that is not for guests', () => {
    assert.equal(value(rig, 0xe4), 15n);
  });

  it('stays at EL1 when it returns to EL2, and sees no debug, performance or timer registers of the host', () => {
    assert.equal(value(rig, 0xe5), 1n);
    assert.equal(value(rig, 0xe6), 0n);
  });

  it("cannot stop the host's timer", () => {
    let masked = 0;
    const spin = new Rig(buildProgram(SPIN));
    spin.observe((r) => ({
      name: 'masked',
      kinds: ['irq'],
      // PSTATE.I and F were set when the interrupt came.
      event: (m) => {
        if (m.to === 2 && r.view.isGuest(m.cpu) && ((r.view.reg(m.cpu, 'SPSR_EL2') >> 6n) & 3n) === 3n)
          masked++;
      },
    }));
    assert.equal(spin.run(undefined, 50_000_000), 'off');
    assert.match(spin.uart, /could not keep the CPU/);
    assert.ok(masked >= 3, `${masked}`);
  });
});
