import assert from 'node:assert/strict';
import { requireTool } from '../../test/support/oracles';
import { runOnQemu, scriptTools } from '../../test/support/qemu-script';
import { boardItems, FwCfg } from './fw-cfg';
import { FakeBus, RAM } from './testing/fake-bus';
import { type DriverOp, execute } from './testing/virtio-driver';

const BASE = 0x0902_0000n;
const CPUS = 3;
/** Where a DMA request is, and what it copies to. */
const REQUEST = RAM + 0x100n;
const TARGET = RAM + 0x1000n;

const read = (offset: number, bytes: 1 | 2 | 4 | 8): DriverOp => ({
  op: 'read',
  at: BASE + BigInt(offset),
  bytes,
});
const write = (at: bigint, bytes: 1 | 2 | 4 | 8, value: bigint): DriverOp => ({
  op: 'write',
  at,
  bytes,
  value,
});
const turned = (value: bigint, bytes: number): bigint =>
  Array.from({ length: bytes }).reduce<bigint>(
    (v, _, i) => (v << 8n) | ((value >> BigInt(8 * i)) & 0xffn),
    0n,
  );
const select = (key: number): DriverOp => write(BASE + 8n, 2, turned(BigInt(key), 2));

/** A DMA request, then what it has left of itself and copied. */
function dma(control: number, length: number, halves = false, at = TARGET): DriverOp[] {
  const look = (from: bigint): DriverOp => ({ op: 'read', at: from, bytes: 8 });
  return [
    ...[0n, 8n, 16n].map((n) => write(TARGET + n, 8, 0x1122334455667788n)),
    write(REQUEST, 4, turned(BigInt(control), 4)),
    write(REQUEST + 4n, 4, turned(BigInt(length), 4)),
    write(REQUEST + 8n, 8, turned(at, 8)),
    ...(halves
      ? [
          write(BASE + 0x10n, 4, turned(REQUEST >> 32n, 4)),
          write(BASE + 0x14n, 4, turned(REQUEST & 0xffffffffn, 4)),
        ]
      : [write(BASE + 0x10n, 8, turned(REQUEST, 8))]),
    { op: 'read', at: REQUEST, bytes: 4 },
    ...[0n, 8n, 16n].map((n) => look(TARGET + n)),
  ];
}

const SELECT = 8;
const [READ, SKIP, WRITE] = [2, 4, 16];
const chosen = (key: number, what: number): number => key * 0x10000 + SELECT + what;

function fwCfg(): { bus: FakeBus; device: FwCfg } {
  const bus = new FakeBus(CPUS);
  return { bus, device: new FwCfg('fw-cfg', bus, boardItems(CPUS)) };
}

describe('fw_cfg', () => {
  const script: DriverOp[] = [
    // Signature, revision, CPUs, keys without an item, the write channel; past the end.
    ...[0, 1, 5, 0x0c, 0x14, 0x3f, 0x4001, 0x4005].flatMap((key) => [select(key), read(0, 8), read(0, 4)]),
    ...[select(0), read(0, 1), read(0, 1), read(0, 2), read(0, 1)],
    // The data register takes nothing; the DMA register reads as a signature in any width.
    ...[select(0), write(BASE, 4, 5n), read(0, 4)],
    ...[read(0x10, 8), read(0x10, 4), read(0x14, 4), read(0x12, 2), read(0x17, 1)],
    // Copies, in one or two stores; goes on where reading stopped; skips; beyond the end.
    ...dma(chosen(0, READ), 3),
    ...dma(READ, 3),
    ...dma(chosen(1, READ), 20, true),
    ...[...dma(chosen(0, SKIP), 2), read(0, 1)],
    ...[...dma(SKIP, 1), read(0, 1)],
    ...dma(chosen(0x3f, READ), 10),
    // No item can be written.
    ...dma(chosen(0, WRITE), 4),
    ...dma(WRITE, 0),
    ...[select(5), ...dma(READ, 2), read(0, 2)],
    ...dma(chosen(5, 0), 4),
    ...[read(0, 2)],
  ];

  it('does what the one of QEMU does', function () {
    requireTool(this, ...scriptTools);
    const { bus, device } = fwCfg();
    const ours = execute(bus, [{ base: BASE, device }], script);
    assert.deepEqual(ours, runOnQemu(script, { el2: true, smp: CPUS }));
  });

  it('says where nothing answers, as QEMU does', function () {
    requireTool(this, ...scriptTools);
    const ops = [read(8, 2), read(4, 4), read(1, 1)];
    assert.deepEqual(runOnQemu(ops, { el2: true }), ['abort', 'abort', 'abort']);
    const { device } = fwCfg();
    for (const [offset, bytes] of [
      [8, 2],
      [4, 4],
      [1, 1],
    ] as const)
      assert.equal(device.read(offset, bytes), undefined);
  });

  it('has a directory without files', () => {
    const { bus, device } = fwCfg();
    const ops = [select(0x19), read(0, 4), read(0, 8)];
    assert.deepEqual(execute(bus, [{ base: BASE, device }], ops), [0n, 0n]);
  });

  it('copies nothing to what is not RAM, and says of a request that is not there', () => {
    const { bus, device } = fwCfg();
    const control = (ops: DriverOp[]): bigint => execute(bus, [{ base: BASE, device }], ops).at(-4) ?? -1n;
    assert.equal(control(dma(chosen(0, READ), 4, false, 0x0900_0000n)), turned(1n, 4));
    assert.equal(control(dma(chosen(0, READ), 0xffff_ffff)), turned(1n, 4));
    assert.deepEqual(bus.events, []);
    device.write(0x10, 8, turned(0x1234n, 8));
    assert.match(JSON.stringify(bus.events), /request at 0x1234 is not in RAM/);
  });

  it('goes on from a snapshot at the byte, and between the halves of an address', () => {
    for (let at = 0; at < script.length; at += 7) {
      const [whole, first, rest] = [fwCfg(), fwCfg(), fwCfg()];
      const expected = execute(whole.bus, [{ base: BASE, device: whole.device }], script);
      const out = execute(first.bus, [{ base: BASE, device: first.device }], script.slice(0, at));
      rest.bus.ram.set(first.bus.ram);
      Object.assign(rest.device.state, structuredClone(first.device.state));
      out.push(...execute(rest.bus, [{ base: BASE, device: rest.device }], script.slice(at)));
      assert.deepEqual(out, expected);
    }
  });
});
