/** gdb and the headless trace: no editor takes part. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { SAMPLE_TOOLS, SampleBuild } from '../sample/gnu';
import { requireTool } from '../support/oracles';
import { Gdb } from './gdb-client';

const root = path.resolve(__dirname, '../..');

describe('gdb without an editor', function () {
  before(function () {
    requireTool(this, 'gdb-multiarch', ...SAMPLE_TOOLS);
  });

  it('has the guest of the headless trace, which goes on without it', async () => {
    const build = new SampleBuild();
    const elf = build.build();
    const args = ['--import', 'tsx', path.join(root, 'debug-adapter/trace-main.ts'), elf, '--events', 'off'];
    const trace = spawn(process.execPath, [...args, '--gdb', '0'], { cwd: root });
    let [out, err] = ['', ''];
    trace.stdout.on('data', (d: Buffer) => (out += d.toString()));
    trace.stderr.on('data', (d: Buffer) => (err += d.toString()));
    const ended = once(trace, 'exit');
    let port: string | undefined;
    while (port === undefined && trace.exitCode === null) {
      await new Promise((done) => setTimeout(done, 20));
      port = /target remote 127\.0\.0\.1:(\d+)/.exec(err)?.[1];
    }
    const gdb = await Gdb.attach(Number(port), elf);
    assert.equal(await gdb.value('$pc'), 0x40080000n);
    await gdb.ok('break host_start_hypervisor');
    assert.equal((await gdb.until('continue')).reason, 'breakpoint-hit');
    await gdb.ok('detach');
    await gdb.quit();
    assert.deepEqual(await ended, [0, null]);
    assert.match(out, /^uart \| /m);
    assert.match(out, /The guest ended: PSCI SYSTEM_OFF/);
    build.dispose();
  });
});
