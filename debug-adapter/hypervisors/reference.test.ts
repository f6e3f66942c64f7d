import assert from 'node:assert/strict';
import { UserError } from '../errors';
import { InspectBench, SAMPLE } from '../inspect/testing/bench';
import { ReferenceHypervisor } from './reference';
import type { Hypervisor } from './types';

describe('hypervisor awareness', () => {
  let b: InspectBench;
  const hypervisor = (): Hypervisor => b.target.hypervisor;
  const thread = async (): Promise<string> => (await b.ask('threads', {})).threads[0]?.name ?? '';

  it('knows nothing before EL2 is set up, whatever is in the register', async () => {
    b = new InspectBench({ program: SAMPLE });
    await b.evaluate('TPIDR_EL2 = 0x40080000', 'repl');
    const h = hypervisor();
    assert.deepEqual(
      [h.currentVcpu(0), h.hostContext(0), h.vcpus(), h.describe(0), h.fpsimdOwner(0)],
      [undefined, undefined, [], undefined, undefined],
    );
    await assert.rejects(b.evaluate('vcpu.vm'), /no vcpu on CPU 0 yet: run on/);
    await assert.rejects(b.evaluate('host'), /no host context on CPU 0 yet/);
  });

  it('finds the vcpu and the host context in every phase of the switch', async () => {
    b = new InspectBench({ program: SAMPLE });
    await b.runToFunction('vcpu_run');
    assert.equal(hypervisor().describe(0), 'host');
    assert.equal(hypervisor().currentVcpu(0), undefined);
    assert.equal(hypervisor().vcpus().length, 1);
    await b.runTo('guest-entry');
    assert.equal(hypervisor().describe(0), 'VM 1 vCPU 0, VMID 1');
    assert.equal(await thread(), 'CPU 0: EL1 guest, VM 1 vCPU 0, VMID 1');
    await b.runTo('trap-entry');
    assert.equal(hypervisor().describe(0), 'VM 1 vCPU 0, VMID 1');
    assert.deepEqual(hypervisor().fpsimdOwner(0), { name: 'FP_HOST', vcpu: undefined });
    assert.equal(await thread(), 'CPU 0: EL2');
  });

  it('reads the registers that a struct holds at the addresses that the layout gives', async () => {
    b = new InspectBench({ program: SAMPLE });
    await b.runTo('guest-entry');
    await b.runTo('trap-entry');
    const vcpu = hypervisor().currentVcpu(0);
    assert.ok(vcpu);
    const registers = hypervisor().registersIn(vcpu.at);
    for (const name of ['x0', 'x30', 'v31', 'ttbr0_el1', 'hcr_el2', 'vttbr_el2', 'elr_el2'])
      assert.ok(registers.has(name), name);
    const place = registers.get('vttbr_el2');
    const value = b.target.guest.number(0, place!.space, place!.address, 8);
    assert.equal(`0x${(value ?? 0n).toString(16)}`, (await b.evaluate('VTTBR_EL2')).split(' ')[0]);
  });

  it('is left out when launch.json says so', async () => {
    b = new InspectBench({ program: SAMPLE, hypervisor: 'none' });
    await b.runTo('guest-entry');
    await b.runTo('trap-entry');
    const { scopes } = await b.ask('scopes', { frameId: (await b.frame()).id });
    assert.deepEqual(
      scopes.map((s) => s.name).filter((n) => /vcpu|Host/.test(n)),
      [],
    );
    assert.match((await b.frame()).instructionPointerReference ?? '', /^EL2:/);
    await assert.rejects(b.evaluate('vcpu.vm'), /needs a hypervisor that describes its structs/);
    assert.deepEqual(await b.stack(), ['hyp_guest_vectors', '<HVC #0 from EL1>', 'guest_start']);
  });

  it('survives structs that are not where they should be', async () => {
    b = new InspectBench({ program: SAMPLE });
    await b.runTo('guest-entry');
    await b.runTo('trap-entry');
    const { id } = await b.frame();
    for (const value of ['0', '1', '0xdead0000', '0xffffffffffffffff', 'host']) {
      await b.evaluate(
        `*(u64*)(TPIDR_EL2 + ${await offset()}) = ${value === 'host' ? 'TPIDR_EL2' : value}`,
        'repl',
      );
      const { scopes } = await b.ask('scopes', { frameId: id });
      for (const s of scopes.filter((x) => /vcpu|Host/.test(x.name))) await b.open(s.variablesReference, 3);
      await b.stack();
      await thread();
    }
    await b.evaluate('TPIDR_EL2 = 0x123', 'repl');
    const { scopes } = await b.ask('scopes', { frameId: id });
    assert.ok(!scopes.some((s) => s.name === 'Host context'));

    /** Where the running vcpu's pointer is, from the start of the per-CPU struct. */
    async function offset(): Promise<string> {
      const layout = b.target.symbols.modules.find((m) => m.layout)?.layout;
      const field = layout?.structs.get('host')?.fields.find((f) => f.name === 'running_vcpu');
      return String(field?.offset);
    }
  });

  it('says so when a program has no layout but launch.json asks for it', () => {
    assert.ok(
      new InspectBench({ program: SAMPLE, hypervisor: 'reference' }).target.hypervisor instanceof
        ReferenceHypervisor,
    );
    assert.throws(
      () => new InspectBench({ program: `${SAMPLE}/guests/hello.S`, hypervisor: 'reference' }),
      (e) => e instanceof UserError,
    );
  });
});
