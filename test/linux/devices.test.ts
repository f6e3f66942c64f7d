import assert from 'node:assert/strict';
import { cachedDebian } from '../../scripts/debian.mjs';
import { requireTool } from '../support/oracles';
import {
  ANSWER,
  bootWithDevices,
  deviceLines,
  diskLines,
  diskTools,
  fileHash,
  imageComplaints,
  withImages,
} from './devices';

describe('a stock Debian kernel with virtio devices', () => {
  it('mounts ext4 disks, writes and reads back, pings the gateway, and uses console and entropy source', async function () {
    this.timeout(300_000);
    requireTool(this, ...diskTools);
    const guest = cachedDebian();
    if (!guest) return this.skip();
    await withImages((image) => {
      const [kept, plain] = [image('kept.img'), image('plain.img')];
      const untouched = fileHash(plain);
      const result = bootWithDevices(guest, kept, plain);
      assert.equal(result.end, 'poweroff', result.text);
      const lines = deviceLines(result.text);
      assert.deepEqual(
        lines.filter((line) => /^DEV: vd/.test(line)),
        [...diskLines('vda'), ...diskLines('vdb')],
      );
      // The file is written where that was asked for, and only there.
      assert.deepEqual(imageComplaints(kept), []);
      assert.equal(fileHash(plain), untouched);
      for (const line of [
        'eth0 is 52:54:00:12:34:56',
        'lease 10.0.2.15 255.255.255.0 10.0.2.2',
        '3 packets transmitted, 3 packets received, 0% packet loss',
        `hvc0 answers ${ANSWER}`,
        'hwrng is virtio_rng.0',
        'fw_cfg revision 3',
        'done',
      ])
        assert.ok(lines.includes(`DEV: ${line}`), line);
      assert.match(result.hvc0, /^What do you say\?\n/);
      assert.match(result.text, /hwrng gave 256 bytes, 1[3-9]\d of them different/);
    });
  });
});
