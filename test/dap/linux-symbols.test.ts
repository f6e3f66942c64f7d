/** A stock Debian kernel is debugged by its own symbols. Without the kernel in the cache (scripts/debian.mjs) it is skipped. */
import assert from 'node:assert/strict';
import { cachedKernels } from '../../debug-adapter/symbols/linux/testing';
import { DapClient } from './support/client';

describe('a kernel without any other file', function () {
  this.timeout(120_000);
  const [kernel] = cachedKernels();
  let client: DapClient;
  before(function () {
    if (kernel === undefined) this.skip();
  });
  beforeEach(async () => {
    client = new DapClient();
    await client.start({ kernel, append: 'nokaslr', memory: '512M' });
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
});
