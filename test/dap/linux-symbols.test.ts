/** A stock Debian kernel is debugged by its own symbols. Without the kernel in the cache (scripts/debian.mjs) it is skipped. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { cachedKernels } from '../../debug-adapter/symbols/linux/testing';
import { DapClient } from './support/client';

describe('a kernel without any other file', function () {
  const [kernel] = cachedKernels();
  let client: DapClient;
  before(function () {
    if (kernel === undefined) this.skip();
  });
  beforeEach(async () => {
    client = new DapClient();
    const append = 'nokaslr cryptomgr.notests initcall_blacklist=trace_eval_init';
    await client.start({ kernel, append, memory: '256M' });
  });
  afterEach(async () => {
    await client.close();
  });

  const runTo = async (name: string): Promise<string[]> => {
    const set = await client.ok('setFunctionBreakpoints', { breakpoints: [{ name }] });
    assert.equal((set['breakpoints'] as { verified: boolean }[])[0]?.verified, true, name);
    await client.ok('continue', { threadId: 1 });
    assert.equal((await client.event('stopped'))['reason'], 'function breakpoint');
    const { stackFrames } = await client.ok('stackTrace', { threadId: 1 });
    return (stackFrames as { name: string }[]).map((frame) => frame.name);
  };

  it('stops at functions before the MMU is on and after, and names the callers', async () => {
    // At its physical address, at EL2.
    assert.equal((await runTo('init_kernel_el'))[0], 'init_kernel_el');
    assert.deepEqual((await runTo('start_kernel')).slice(0, 2), ['start_kernel', '__primary_switched']);
    assert.equal((await runTo('setup_arch'))[1], 'start_kernel');
  });

  it('shows memory as the types of the kernel', async () => {
    await runTo('start_kernel');
    // SP_EL0 holds the current task while the kernel runs.
    const task = await client.ok('evaluate', {
      expression: '(struct task_struct *)SP_EL0',
      context: 'watch',
    });
    assert.match(String(task['result']), /^struct task_struct/);
    const parts = await client.ok('variables', { variablesReference: task['variablesReference'] });
    const value = (name: string): string | undefined =>
      (parts['variables'] as { name: string; value: string }[]).find((v) => v.name === name)?.value;
    assert.deepEqual([value('comm'), value('pid')], ['"swapper"', '0']);
    assert.match(
      await client.refused('evaluate', { expression: '(struct nothing *)SP_EL0', context: 'watch' }),
      /no struct "nothing" .* the types of a kernel/,
    );
  });

  it('stops in the code of KVM at EL2, which runs where no symbol says', async () => {
    await runTo('__kvm_nvhe___do_hyp_init');
    const names = await runTo('__kvm_nvhe_handle_trap');
    assert.deepEqual(names.slice(0, 3), [
      '__kvm_nvhe_handle_trap',
      '__kvm_nvhe___host_exit',
      'HVC #0 from EL1',
    ]);
    const { lines } = await client.ok<{ lines: string[] }>('worldswitch/trace', { last: 1 });
    assert.match(lines[0] ?? '', /EL1 -> EL2 .*HVC.* -> __kvm_nvhe___kvm_hyp_host_vector\+0x400$/);
    assert.deepEqual(names.slice(-3), ['kernel_init_freeable', 'kernel_init', 'ret_from_fork']);
  });
});

describe('a kernel without symbols', () => {
  it('runs all the same, and says what is missing', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'worldswitch-kernel-'));
    const client = new DapClient();
    try {
      const image = Buffer.alloc(0x1000);
      image.writeUInt32LE(0x1400_0000, 0); // b .
      image.writeBigUInt64LE(0x1000n, 16);
      image.write('ARMd', 56, 'latin1');
      const kernel = path.join(folder, 'Image');
      writeFileSync(kernel, image);
      await client.start({ kernel, memory: '16M' });
      const said = client.events('output').map((e) => String(e['output']));
      assert.ok(
        said.some((text) => /Image has no symbols of its own: .*CONFIG_KALLSYMS/.test(text)),
        said.join(''),
      );
      await client.ok('next', { threadId: 1 });
      assert.equal((await client.event('stopped'))['reason'], 'step');
    } finally {
      await client.close();
      rmSync(folder, { recursive: true });
    }
  });
});
