import assert from 'node:assert/strict';
import fc from 'fast-check';
import { MAX_MEMORY, parseLaunch, parseMemory } from './config';

describe('launch configuration', () => {
  it('fills in what is left out', () => {
    const c = parseLaunch({ program: 'main.S' });
    assert.equal(c.cpu, 'cortex-a57');
    assert.equal(c.smp, 1);
    assert.equal(c.memory, 512n << 20n);
    assert.equal(c.stopOnEntry, true);
    assert.equal(c.strict, false);
    assert.equal(c.gic, 3);
    assert.equal(c.secure, false);
    assert.equal(c.hypervisor, 'auto');
    assert.deepEqual(c.symbols, []);
    assert.deepEqual(c.assembler, { defines: {}, includeDirs: [] });
  });

  it('boots a kernel instead of a program', () => {
    const c = parseLaunch({ kernel: 'vmlinuz', initrd: 'i.cpio', append: 'quiet' });
    assert.deepEqual([c.program, c.kernel, c.initrd, c.append], ['vmlinuz', 'vmlinuz', 'i.cpio', 'quiet']);
  });

  it('reads symbol files with their place', () => {
    const { symbols } = parseLaunch({
      program: 'p',
      symbols: [{ file: 'vmlinux', offset: '-0x1000', regime: 'EL1', vmid: 3 }],
    });
    assert.deepEqual(symbols, [{ file: 'vmlinux', offset: -0x1000n, regime: { el: 'EL1', vmid: 3 } }]);
  });

  it('takes symbols of firmware at EL3', () => {
    const { symbols } = parseLaunch({
      program: 'p',
      secure: true,
      symbols: [{ file: 'bl31.elf', regime: 'EL3' }],
    });
    assert.deepEqual(symbols[0]?.regime, { el: 'EL3' });
  });

  const bad: readonly (readonly [Record<string, unknown>, RegExp])[] = [
    [{}, /no "program"/],
    [{ program: 'p', kernel: 'k' }, /both "program" and "kernel"/],
    [{ program: 'p', initrd: 'i' }, /"initrd".*"kernel"/],
    [{ program: 'p', append: 'a' }, /"append".*"kernel"/],
    [{ program: 'p', dtb: 'd' }, /"dtb".*"kernel"/],
    [{ kernel: 'k', dtb: true }, /"dtb".*the boolean true/],
    [{ kernel: 7 }, /"kernel".*the number 7/],
    [{ kernel: 'k', initrd: [] }, /"initrd".*a list/],
    [{ kernel: 'k', append: '' }, /"append"/],
    [{ program: 7 }, /"program".*the number 7/],
    [{ program: '' }, /"program"/],
    [{ program: 'p', cpu: 'cortex-m3' }, /"cpu".*"cortex-a57"/],
    [{ program: 'p', smp: '2' }, /"smp".*from 1 to 8.*the string "2"/],
    [{ program: 'p', smp: 0 }, /"smp"/],
    [{ program: 'p', smp: 9 }, /"smp"/],
    [{ program: 'p', smp: 1.5 }, /"smp"/],
    [{ program: 'p', memory: 512 }, /"memory".*"512M"/],
    [{ program: 'p', memory: '512' }, /"memory"/],
    [{ program: 'p', memory: '64G' }, /"memory".*3584M/],
    [{ program: 'p', memory: '1K' }, /"memory"/],
    [{ program: 'p', stopOnEntry: 'yes' }, /"stopOnEntry".*true or false/],
    [{ program: 'p', trace: 1 }, /"trace"/],
    [{ program: 'p', strict: 'on' }, /"strict".*true or false/],
    [{ program: 'p', secure: 'on' }, /"secure".*true or false.*the string "on"/],
    [{ program: 'p', secure: true, gic: 2 }, /"secure".*GICv3.*leave out "gic"/],
    [{ program: 'p', gic: 4 }, /"gic".*2 or 3.*the number 4/],
    [{ program: 'p', gic: '2' }, /"gic".*2 or 3.*the string "2"/],
    [{ program: 'p', hypervisor: 'xen' }, /"hypervisor".*"auto", "reference", "none"/],
    [{ program: 'p', symbols: {} }, /"symbols".*a list/],
    [{ program: 'p', symbols: ['x.elf'] }, /"symbols\[0\]"/],
    [{ program: 'p', symbols: [{}] }, /"symbols\[0\]\.file"/],
    [{ program: 'p', symbols: [{ file: 'f', vim: 1 }] }, /"symbols\[0\]\.vim".*unknown.*"vmid" and "vm"/],
    [{ program: 'p', symbols: [{ file: 'f', vmid: -1 }] }, /"symbols\[0\]\.vmid"/],
    [{ program: 'p', symbols: [{ file: 'f', vm: '1' }] }, /"symbols\[0\]\.vm".*the string "1"/],
    [{ program: 'p', symbols: [{ file: 'f', vm: 1, vmid: 1 }] }, /both "vm" and "vmid"/],
    [{ program: 'p', symbols: [{ file: 'f', vm: 1, regime: 'EL2' }] }, /no virtual machine runs/],
    [{ program: 'p', symbols: [{ file: 'f', vm: 1, regime: 'EL3' }] }, /no virtual machine runs/],
    [{ program: 'p', symbols: [{ file: 'f', offset: 'x' }] }, /offset "x"/],
    [{ program: 'p', symbols: [{ file: 'f', regime: 'EL7' }] }, /EL7/],
    [{ program: 'p', disk: '' }, /"disk".*path of a disk image/],
    [{ program: 'p', disk: 5 }, /"disk".*the number 5/],
    [{ program: 'p', disk: ['a', {}] }, /"disk\[1\]\.file".*missing/],
    [{ program: 'p', disk: [{ file: 'a', write: 'yes' }] }, /"disk\[0\]\.write".*true or false/],
    [{ program: 'p', disk: { file: 'a', readonly: true } }, /"disk\.readonly".*"file" and "write"/],
    [{ program: 'p', disk: Array(40).fill('a') }, /names 40 disks.*29 are possible: leave some out/],
    [{ program: 'p', virtio: 'net' }, /"virtio".*a list/],
    [{ program: 'p', virtio: ['gpu'] }, /"virtio\[0\]".*"console", "net", "rng"/],
    [{ program: 'p', virtio: ['net', 'net'] }, /"net" twice.*leave one out/],
    [{ program: 'p', seed: -1 }, /"seed".*0 to 4294967295/],
    [{ program: 'p', gdbServer: '1234' }, /"gdbServer".*from 0 to 65535.*the string "1234"/],
    [{ program: 'p', gdbServer: 65536 }, /"gdbServer".*the number 65536/],
    [{ program: 'p', sourceMap: [] }, /"sourceMap"/],
    [{ program: 'p', sourceMap: { '/a': 1 } }, /"sourceMap\["\/a"\]"/],
    [{ program: 'p', assembler: [] }, /"assembler".*"defines" and "includeDirs"/],
    [{ program: 'p', assembler: { define: {} } }, /"assembler\.define".*"assembler\.defines"/],
    [{ program: 'p', assembler: { defines: 'N=1' } }, /"assembler\.defines".*an object/],
    [{ program: 'p', assembler: { defines: { N: 1 } } }, /"assembler\.defines\["N"\]".*the number 1/],
    [{ program: 'p', assembler: { defines: { '1 N': '' } } }, /"assembler\.defines\["1 N"\]"/],
    [{ program: 'p', assembler: { includeDirs: 'inc' } }, /"assembler\.includeDirs".*a list/],
    [{ program: 'p', assembler: { includeDirs: [1] } }, /"assembler\.includeDirs\[0\]"/],
  ];
  for (const [args, expected] of bad) {
    it(`names what is wrong in ${JSON.stringify(args)}`, () => {
      assert.throws(
        () => parseLaunch(args),
        (e: Error) => {
          assert.match(e.message, expected);
          assert.doesNotMatch(e.message, /\n|undefined|\[object/);
          return true;
        },
      );
    });
  }

  it('throws only errors for the user, whatever the values', () => {
    const names = [
      'program',
      'kernel',
      'initrd',
      'append',
      'dtb',
      'disk',
      'virtio',
      'seed',
      'cpu',
      'smp',
      'memory',
      'symbols',
      'stopOnEntry',
      'hypervisor',
      'trace',
      'sourceMap',
      'assembler',
    ];
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), fc.jsonValue()), (args) => {
        try {
          parseLaunch(args);
        } catch (error) {
          assert.match((error as Error).name, /^(UserError|SymbolError)$/);
        }
      }),
    );
  });

  it('makes whole memory sizes', () => {
    assert.equal(parseMemory('1M'), 1n << 20n);
    assert.equal(parseMemory('2G'), 2n << 30n);
    assert.equal(parseMemory(`${MAX_MEMORY >> 20n}M`), MAX_MEMORY);
  });
});
