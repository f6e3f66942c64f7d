import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireTool } from '../../test/support/oracles';
import { FakeBus } from '../dev/testing/fake-bus';
import { deviceTreeBlob, type TreeOptions } from './device-tree';
import { flatten, wide } from './dtb';
import { gicVersions } from './map';
import { createVirtBoard } from './virt';

const dir = mkdtempSync(join(tmpdir(), 'ws-dtb-'));
after(() => rmSync(dir, { recursive: true, force: true }));

const options: TreeOptions = { cpus: 2, memoryBytes: 0x2000_0000n, el2: true, gic: 3, cpu: 'cortex-a57' };

/** Decompiles a blob with dtc; any complaint of dtc is an error here. */
function decompile(blob: Uint8Array): string {
  const file = join(dir, 'a.dtb');
  writeFileSync(file, blob);
  return execFileSync('dtc', ['-q', '-I', 'dtb', '-O', 'dts', file], { encoding: 'utf8' });
}

/** path of node -> property -> value, of a source as dtc writes it. */
function parse(dts: string): Map<string, Map<string, string>> {
  const nodes = new Map<string, Map<string, string>>();
  const path: string[] = [];
  for (const raw of dts.split('\n')) {
    const line = raw.trim();
    const open = /^(\S+) \{$/.exec(line);
    if (open?.[1] !== undefined) {
      path.push(open[1] === '/' ? '' : open[1]);
      nodes.set(path.join('/') || '/', new Map());
    } else if (line === '};') path.pop();
    else if (line.endsWith(';')) {
      const [name, ...value] = line.slice(0, -1).split(' = ');
      nodes.get(path.join('/') || '/')?.set(name ?? '', value.join(' = '));
    }
  }
  return nodes;
}

describe('device tree', () => {
  const boards = [
    { el2: true, gic: 3 },
    { el2: false, gic: 3 },
    { el2: true, gic: 2 },
    { el2: false, gic: 2 },
  ] as const;
  for (const { el2, gic } of boards)
    it(`says what QEMU's virt says of the same nodes, GICv${gic} ${el2 ? 'with' : 'without'} EL2`, function () {
      requireTool(this, 'dtc', 'qemu-system-aarch64');
      const file = join(dir, `qemu-${el2}-${gic}.dtb`);
      const machine = `virt,gic-version=${gic},its=off,virtualization=${el2 ? 'on' : 'off'},dumpdtb=${file}`;
      execFileSync(
        'qemu-system-aarch64',
        [
          '-machine',
          machine,
          '-cpu',
          'cortex-a57',
          '-smp',
          '2',
          '-m',
          '512',
          '-display',
          'none',
          '-nodefaults',
        ],
        { stdio: 'ignore' },
      );
      const qemu = parse(decompile(readFileSync(file)));
      const ours = parse(decompile(deviceTreeBlob({ ...options, el2, gic })));
      assert.deepEqual(
        [...ours.keys()].filter((n) => !qemu.has(n)),
        [],
        'nodes that QEMU does not have',
      );
      // Numbers of our own choosing.
      const free = new Set(['phandle', 'clocks', 'interrupt-parent', 'rng-seed', 'kaslr-seed']);
      for (const [node, properties] of ours)
        for (const [name, value] of properties)
          if (!free.has(name)) assert.equal(value, qemu.get(node)?.get(name), `${node} ${name}`);
      for (const node of [
        '/timer',
        '/pmu',
        '/pl011@9000000',
        '/pl031@9010000',
        '/pl061@9030000',
        '/virtio_mmio@a003e00',
        '/intc@8000000',
        '/apb-pclk',
        '/chosen',
      ])
        assert.deepEqual(
          [...(qemu.get(node)?.keys() ?? [])].sort(),
          [...(ours.get(node)?.keys() ?? [])].sort(),
          node,
        );
    });

  it('has references that lead somewhere', function () {
    requireTool(this, 'dtc');
    const nodes = parse(decompile(deviceTreeBlob(options)));
    const phandles = new Set([...nodes.values()].map((p) => p.get('phandle')).filter((v) => v !== undefined));
    assert.ok(phandles.has(nodes.get('/')?.get('interrupt-parent') ?? ''));
    const clocks = nodes.get('/pl011@9000000')?.get('clocks') ?? '';
    for (const c of clocks.replace(/[<>]/g, '').split(' ')) assert.ok(phandles.has(`<${c}>`), c);
    assert.ok(nodes.has((nodes.get('/chosen')?.get('stdout-path') ?? '').replaceAll('"', '')));
  });

  it('has a node for each device of the board, at its base, and a CPU node for each CPU', function () {
    requireTool(this, 'dtc');
    for (const gic of gicVersions) {
      const dts = decompile(deviceTreeBlob({ ...options, cpus: 4, gic }));
      for (const d of createVirtBoard(new FakeBus(4), { el2: true, gic }).devices)
        assert.match(dts, new RegExp(`reg = <.*0x${d.base.toString(16)} `), d.device.name);
      assert.equal(dts.match(/cpu@\d {/g)?.length, 4);
    }
  });

  it('carries memory beyond 4 GiB, boot arguments with quotes, and the initial RAM disk', function () {
    requireTool(this, 'dtc');
    const nodes = parse(
      decompile(
        deviceTreeBlob({
          ...options,
          memoryBytes: 0x1_8000_0000n,
          bootargs: 'console=ttyAMA0 a="b c"',
          initrd: { start: 0x4400_0000n, end: 0x4400_1234n },
        }),
      ),
    );
    assert.equal(nodes.get('/memory@40000000')?.get('reg'), '<0x00 0x40000000 0x01 0x80000000>');
    assert.match(nodes.get('/chosen')?.get('bootargs') ?? '', /^"console=ttyAMA0 a=\\"b c\\""$/);
    assert.equal(nodes.get('/chosen')?.get('linux,initrd-end'), '<0x00 0x44001234>');
  });
});

describe('flattened device tree writer', () => {
  it('gives back what dtc makes of the same source', function () {
    requireTool(this, 'dtc');
    const dts = `/dts-v1/;
/ {
	#address-cells = <0x02>;
	a;
	abc = "x";
	list = "one", "two", "";
	n@1 {
		reg = <0x01 0x02 0xffffffff 0xfffffffe>;
		a;
		deep {
			deeper { last = ""; };
		};
	};
	empty { };
};
`;
    const source = join(dir, 'b.dts');
    writeFileSync(source, dts);
    const theirs = execFileSync('dtc', ['-q', '-I', 'dts', '-O', 'dtb', source]);
    const ours = flatten({
      name: '',
      properties: { '#address-cells': { cells: [2] }, a: { flag: true }, abc: 'x', list: ['one', 'two', ''] },
      children: [
        {
          name: 'n@1',
          properties: { reg: wide(0x1_0000_0002n, 0xffff_ffff_ffff_fffen), a: { flag: true } },
          children: [
            { name: 'deep', properties: {}, children: [{ name: 'deeper', properties: { last: '' } }] },
          ],
        },
        { name: 'empty', properties: {} },
      ],
    });
    assert.equal(decompile(ours), decompile(theirs));
    const word = (b: Uint8Array, at: number): number => new DataView(b.buffer, b.byteOffset).getUint32(at);
    assert.deepEqual([word(ours, 0), word(ours, 20), word(ours, 24)], [0xd00dfeed, 17, 16]);
    assert.equal(word(ours, 4), ours.length);
    // The structure block, word for word (the strings may be laid out in another order).
    const structure = (b: Uint8Array): number => word(b, 36);
    assert.equal(structure(ours), structure(theirs));
  });
});
