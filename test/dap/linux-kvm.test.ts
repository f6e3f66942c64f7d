/** A KVM guest in a stock Debian kernel, by the kernel's own symbols and types. Skipped without the kernel and its RAM disk. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { cachedKernels } from '../../debug-adapter/symbols/linux/testing';
import { DapClient } from './support/client';

const initrd = path.join(__dirname, '../../.cache/debian/initrd.cpio');
const append = 'console=ttyAMA0 nokaslr cryptomgr.notests initcall_blacklist=trace_eval_init';

describe('a vcpu of KVM', function () {
  this.timeout(180_000);
  let client: DapClient;
  before(function () {
    if (cachedKernels().length === 0 || !existsSync(initrd)) this.skip();
  });
  beforeEach(() => {
    client = new DapClient();
  });
  afterEach(async () => {
    await client.close();
  });

  const value = async (expression: string): Promise<string> =>
    String((await client.ok('evaluate', { expression, context: 'watch' }))['result']).split(' ')[0] ?? '';

  for (const { mode, cpu, enter, more } of [
    { mode: 'nVHE', cpu: 'cortex-a57', enter: '__kvm_nvhe___guest_enter', more: '' },
    { mode: 'VHE', cpu: 'cortex-a76', enter: '__guest_enter', more: '' },
    {
      mode: 'protected',
      cpu: 'cortex-a57',
      enter: '__kvm_nvhe___guest_enter',
      more: ' kvm-arm.mode=protected',
    },
  ])
    it(`is found where KVM enters its guest: ${mode} on ${cpu}`, async () => {
      await client.start({ kernel: cachedKernels()[0], initrd, append: append + more, cpu, memory: '256M' });
      assert.match(
        await client.refused('evaluate', { expression: 'vcpu.arch', context: 'watch' }),
        /There is no vcpu on CPU 0 yet/,
      );
      await client.ok('setFunctionBreakpoints', { breakpoints: [{ name: enter }] });
      for (let entry = 0; entry < 3; entry++) {
        await client.ok('continue', { threadId: 1 });
        assert.equal((await client.event('stopped'))['reason'], 'function breakpoint');
        // The argument of __guest_enter is the vcpu; ELR_EL2 and HCR_EL2 are loaded from it already.
        assert.equal(await value('&vcpu'), await value('x0'));
        assert.equal(BigInt(await value('vcpu.arch.ctxt.regs.pc')), BigInt(await value('ELR_EL2')));
        assert.equal(await value('vcpu.vcpu_id'), '0');
      }
      const { stackFrames } = await client.ok('stackTrace', { threadId: 1 });
      const frameId = (stackFrames as { id: number }[])[0]?.id;
      const { scopes } = await client.ok('scopes', { frameId });
      const scope = (scopes as { name: string; variablesReference: number }[]).find(
        (s) => s.name === 'Current vcpu',
      );
      const { variables } = await client.ok('variables', { variablesReference: scope?.variablesReference });
      const shown = new Map((variables as { name: string; value: string }[]).map((v) => [v.name, v.value]));
      assert.ok(shown.get('current vcpu')?.endsWith(`behind ${enter} tells`), shown.get('current vcpu'));
      assert.equal(shown.get('arch'), 'struct kvm_vcpu_arch');
    });
});
