/** What docs/stories.md tells a person to do, step by step, over the protocol: the stops, and what is seen at them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { DapClient } from '../dap/support/client';
import { SOURCES } from './program';

interface Configuration {
  readonly name: string;
}

interface Frame {
  readonly id: number;
  readonly name: string;
}

function configuration(name: string): Record<string, unknown> {
  const text = readFileSync(path.join(SOURCES, '.vscode/launch.json'), 'utf8');
  const { configurations } = JSON.parse(text.replaceAll('${workspaceFolder}', SOURCES)) as {
    configurations: Configuration[];
  };
  const found = configurations.find((c) => c.name === name);
  assert.ok(found, `launch.json has no "${name}"`);
  return { ...found };
}

/** One story at its debugger. Stops name the innermost function. */
class Walk {
  private readonly client = new DapClient();
  private thread = 1;
  private frames: Frame[] = [];

  static async of(name: string): Promise<Walk> {
    const walk = new Walk();
    await walk.client.start(configuration(name));
    return walk;
  }

  close(): Promise<unknown> {
    return this.client.close();
  }

  async functions(...breakpoints: (string | { name: string; condition: string })[]): Promise<void> {
    const { breakpoints: made } = await this.client.ok('setFunctionBreakpoints', {
      breakpoints: breakpoints.map((b) => (typeof b === 'string' ? { name: b } : b)),
    });
    for (const b of made as { verified: boolean; message?: string }[]) assert.ok(b.verified, b.message);
  }

  async filters(...filters: string[]): Promise<void> {
    await this.client.ok('setExceptionBreakpoints', { filters });
  }

  private async stop(): Promise<string> {
    const { threadId } = await this.client.event('stopped', 60_000);
    this.thread = threadId as number;
    const { stackFrames } = await this.client.ok('stackTrace', { threadId, startFrame: 0, levels: 20 });
    this.frames = stackFrames as Frame[];
    return this.frames[0]?.name ?? '';
  }

  async f5(): Promise<string> {
    await this.client.ok('continue', { threadId: this.thread });
    return this.stop();
  }

  /** F5 again and again, until the innermost function is that one. */
  async f5Until(name: string): Promise<void> {
    for (let stops = 0; stops < 50; stops++) if ((await this.f5()) === name) return;
    assert.fail(`no stop in ${name}`);
  }

  async step(command: 'next' | 'stepIn' | 'stepOut'): Promise<string> {
    await this.client.ok(command, { threadId: this.thread, granularity: 'statement' });
    return this.stop();
  }

  /** The call stack of a thread, by its name. */
  async stackOf(name: string): Promise<string[]> {
    const { threads } = await this.client.ok('threads');
    const all = threads as { id: number; name: string }[];
    const thread = all.find((t) => t.name === name);
    assert.ok(thread, all.map((t) => t.name).join(', '));
    const { stackFrames } = await this.client.ok('stackTrace', { threadId: thread.id });
    return (stackFrames as Frame[]).map((f) => f.name);
  }

  /** A command of the Debug Console. */
  async console(expression: string): Promise<string> {
    const frameId = this.frames[0]!.id;
    const { result } = await this.client.ok('evaluate', { expression, frameId, context: 'repl' });
    return String(result);
  }

  /** Break on Value Change, and F5. @returns the description of the stop */
  async watchChange(name: string): Promise<string> {
    const { dataId, description } = await this.client.ok('dataBreakpointInfo', {
      name,
      frameId: this.frames[0]!.id,
    });
    assert.ok(dataId, String(description));
    await this.client.ok('setDataBreakpoints', { breakpoints: [{ dataId, accessType: 'write' }] });
    await this.client.ok('continue', { threadId: this.thread });
    return String((await this.client.event('stopped', 60_000))['description']);
  }

  /** The names of the call stack, the innermost first. */
  get stack(): string[] {
    return this.frames.map((f) => f.name);
  }

  async value(expression: string): Promise<string> {
    const { result } = await this.client.ok('evaluate', {
      expression,
      frameId: this.frames[0]!.id,
      context: 'watch',
    });
    return String(result);
  }

  async is(expression: string, value: RegExp): Promise<void> {
    assert.match(await this.value(expression), value, expression);
  }
}

describe('The steps of docs/stories.md', function () {
  let walk: Walk;
  afterEach(() => walk?.close());

  it('Story: hyp-init', async () => {
    walk = await Walk.of('Story: hyp-init');
    await walk.functions('stub_hvc', 'soft_restart_target', 'hyp_init', 'hyp_start');
    assert.equal(await walk.f5(), 'stub_hvc');
    await walk.is('x0', /^0xc6000000/i);
    assert.equal(await walk.f5(), 'stub_hvc');
    await walk.is('x0', /^(0x)?1\b/);
    assert.equal(await walk.f5(), 'soft_restart_target');
    await walk.is('CurrentEL', /EL2|0x8/);
    await walk.is('SCTLR_EL2.M', /^0/);
    await walk.f5Until('hyp_init');
    await walk.is('x0', /^0xc6000001/i);
    await walk.f5Until('hyp_start');
    await walk.is('pc', /^0x70/);
    await walk.f5Until('hyp_init');
    assert.ok(walk.stack.includes('host_test_reinit'), walk.stack.join(', '));
  });

  it('Story: wrecked stack', async () => {
    walk = await Walk.of('Story: wrecked stack');
    await walk.filters('guest-exit');
    await walk.f5();
    await walk.is('sp', /^0xdead00000007/);
    const vcpu = await walk.value('host.running_vcpu');
    await walk.step('stepIn');
    await walk.step('stepIn');
    await walk.step('stepIn');
    assert.equal((await walk.value('x0')).slice(0, 12), vcpu.slice(0, 12));
    await walk.filters();
    await walk.functions('hyp_panic');
    assert.equal(await walk.f5(), 'hyp_panic');
    assert.ok(walk.stack.includes('crash'), walk.stack.join(', '));
  });

  it('Story: lazy FP', async () => {
    walk = await Walk.of('Story: lazy FP');
    await walk.functions('fpsimd_trap', 'fpsimd_ctxsync', 'host_neon_section');
    assert.equal(await walk.f5(), 'fpsimd_trap');
    await walk.is('host.fp_owner', /FP_HOST/);
    assert.equal(await walk.f5(), 'fpsimd_ctxsync');
    await walk.is('host.fp_owner', /FP_GUEST/);
    assert.equal(await walk.f5(), 'host_neon_section');
    await walk.f5Until('fpsimd_trap');
    await walk.is('host.fp_owner', /FP_NONE/);
  });

  it('Story: exit storm', async () => {
    walk = await Walk.of('Story: exit storm');
    await walk.functions({ name: 'guest_exit', condition: 'ESR_EL2.EC == 0x16' });
    assert.equal(await walk.f5(), 'guest_exit');
    await walk.functions({ name: 'host_record_exit', condition: 'vcpus[1].exits[0] > 0' });
    assert.equal(await walk.f5(), 'host_record_exit');
  });

  it('Story: SMP', async () => {
    walk = await Walk.of('Story: SMP');
    await walk.functions('secondary_start');
    assert.equal(await walk.f5(), 'secondary_start');
    await walk.is('x0', /^(0x)?1\b/);
    await walk.is('SCTLR_EL2.M', /^0/);
    await walk.functions('psci_cpu_on');
    assert.equal(await walk.f5(), 'psci_cpu_on');
    await walk.functions('vgic_send_sgi');
    assert.equal(await walk.f5(), 'vgic_send_sgi');
    await walk.functions();
    await walk.filters('guest-entry');
    let listed = false;
    for (let entries = 0; entries < 20 && !listed; entries++) {
      await walk.f5();
      listed = !/^(0x)?0+\b/.test(await walk.value('vcpu.ich_lr[0]'));
    }
    assert.ok(listed, 'no list register holds an interrupt at 20 guest entries');
  });

  it('Story: VMID roll-over', async () => {
    walk = await Walk.of('Story: VMID roll-over');
    await walk.functions('vmid_new_generation');
    assert.equal(await walk.f5(), 'vmid_new_generation');
    await walk.is('x7', /^(0x)?4\b/);
    await walk.is('vms[0].vmid', /^(0x)?1\b/);
    await walk.functions();
    await walk.filters('guest-entry');
    await walk.f5();
    await walk.is('vcpu.vm.generation', /^(0x)?2\b/);
    await walk.is('vcpu.vm.vmid', /^(0x)?1\b/);
    await walk.is('vcpu.vm.vm_id', /^(0x)?4\b/);
  });

  it('Story: everything at once', async () => {
    walk = await Walk.of('Story: everything at once');
    await walk.functions('inject_exception');
    assert.equal(await walk.f5(), 'inject_exception');
    assert.ok(walk.stack.includes('stage2_abort'), walk.stack.join(', '));
    assert.match((await walk.stackOf('vcpu 4.0 (not running)')).join(', '), /^malicious/);
    assert.match(await walk.console('why'), /EL1 -> EL2/);
    assert.match(await walk.console('trace 20'), /(EL\d -> EL\d[^]*?){10}/);
    await walk.functions();
    assert.match(await walk.watchChange('vcpus[0].ctxt.pc'), /Paused on write of .*pc/);
  });

  it('Story: VHE', async () => {
    walk = await Walk.of('Story: VHE');
    await walk.functions('host_start', 'vcpu_run');
    assert.equal(await walk.f5(), 'host_start');
    await walk.is('CurrentEL', /EL2|0x8/);
    await walk.is('HCR_EL2.E2H', /^1/);
    await walk.is('HCR_EL2.TGE', /^1/);
    assert.equal(await walk.f5(), 'vcpu_run');
    await walk.filters('guest-exit');
    await walk.f5();
    await walk.is('ESR_EL2', /^0x/);
  });
});
