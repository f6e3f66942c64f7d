/**
 * A debug session of KVM in the stock kernel over real DAP, with nothing but the kernel's image: from the first trap of
 * a guest to the counts that KVM's user prints at its end. Each step is compared with the CPU or with what the guest says.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { DebianGuest } from '../../scripts/debian.mjs';
import { DapClient } from '../dap/support/client';

export interface SessionOptions {
  readonly cpu: string;
  /** Added to the kernel's command line. */
  readonly append: string;
  readonly smp?: number;
  readonly gic?: 2 | 3;
  /** Guest entries at which all registers are compared. */
  readonly entries: number;
  /** Runs to the end of the guest and compares the counts of exits. */
  readonly toTheEnd: boolean;
}

interface Named {
  readonly id: number;
  readonly name: string;
  readonly value: string;
  readonly variablesReference: number;
  readonly memoryReference?: string;
  readonly evaluateName?: string;
  readonly instructionPointerReference?: string;
}

/** The program of the guest, at the IPA at which the monitor puts it. */
const GUEST = path.join(__dirname, '../../.cache/debian/build/guest.bin');
const GUEST_AT = 0x4000_0000n;
const base = 'console=ttyAMA0 cryptomgr.notests initcall_blacklist=trace_eval_init';
const MINUTE = 120_000;

/** EL1 registers that nVHE loads on each entry; each is in `sys_regs[]`. */
const SWITCHED = [
  ...['SCTLR_EL1', 'CPACR_EL1', 'TTBR0_EL1', 'TTBR1_EL1', 'TCR_EL1', 'ESR_EL1', 'AFSR0_EL1', 'AFSR1_EL1'],
  ...['FAR_EL1', 'MAIR_EL1', 'VBAR_EL1', 'CONTEXTIDR_EL1', 'TPIDR_EL0', 'TPIDRRO_EL0', 'TPIDR_EL1'],
  ...['AMAIR_EL1', 'CNTKCTL_EL1', 'PAR_EL1', 'SP_EL1', 'ELR_EL1', 'SPSR_EL1'],
];

const numberOf = (text: string): bigint => BigInt(text.split(' ')[0] ?? '');

class Session {
  readonly client = new DapClient();

  async evaluate(
    expression: string,
    context = 'watch',
    frameId?: number,
  ): Promise<Named & { result: string }> {
    return this.client.ok('evaluate', { expression, context, ...(frameId === undefined ? {} : { frameId }) });
  }

  async value(expression: string, frameId?: number): Promise<bigint> {
    return numberOf((await this.evaluate(expression, 'watch', frameId)).result);
  }

  async say(command: string): Promise<string> {
    return (await this.evaluate(command, 'repl')).result;
  }

  async list(command: string, args: unknown, body: string): Promise<Named[]> {
    return (await this.client.ok(command, args))[body] as Named[];
  }

  async children(variablesReference: number): Promise<Map<string, Named>> {
    const all = await this.list('variables', { variablesReference }, 'variables');
    return new Map(all.map((v) => [v.name, v]));
  }

  async scope(frameId: number, name: string): Promise<Map<string, Named>> {
    const found = (await this.list('scopes', { frameId }, 'scopes')).find((s) => s.name === name);
    assert.ok(found, `no scope ${name}`);
    return this.children(found.variablesReference);
  }

  async frames(threadId: number): Promise<Named[]> {
    return this.list('stackTrace', { threadId }, 'stackFrames');
  }

  async top(threadId: number): Promise<number> {
    return (await this.frames(threadId))[0]?.id ?? 0;
  }

  async filter(filterId?: string, condition?: string): Promise<void> {
    const filterOptions = filterId === undefined ? [] : [{ filterId, ...(condition ? { condition } : {}) }];
    await this.client.ok('setExceptionBreakpoints', { filters: [], filterOptions });
  }

  async functions(...names: string[]): Promise<void> {
    await this.client.ok('setFunctionBreakpoints', { breakpoints: names.map((name) => ({ name })) });
  }

  /** Continues to the next stop, and says on which thread. */
  async go(reason: string): Promise<{ description: string; threadId: number }> {
    await this.client.ok('continue', { threadId: 1 });
    const stop = await this.client.event('stopped', MINUTE);
    assert.equal(stop['reason'], reason, JSON.stringify(stop));
    return { description: String(stop['description']), threadId: Number(stop['threadId']) };
  }

  console(): string {
    const pieces = this.client.events('output').filter((e) => e['category'] === 'stdout');
    return pieces
      .map((e) => String(e['output']))
      .join('')
      .replaceAll('\r', '');
  }
}

/** The general registers of a frame by the Variables pane. */
async function general(s: Session, frameId: number): Promise<bigint[]> {
  const shown = await s.scope(frameId, 'Registers');
  return Array.from({ length: 31 }, (_, n) => numberOf(shown.get(`x${n}`)?.value ?? ''));
}

/** The general registers in the vcpu's struct. */
async function saved(s: Session, vcpu: string): Promise<bigint[]> {
  const { variablesReference } = await s.evaluate(`${vcpu}.arch.ctxt.regs.regs`);
  const all = await s.children(variablesReference);
  return Array.from({ length: 31 }, (_, n) => numberOf(all.get(`[${n}]`)?.value ?? ''));
}

async function firstTrap(s: Session, isVhe: boolean): Promise<void> {
  await s.filter('guest-exit');
  const { description, threadId } = await s.go('trap');
  assert.match(
    description,
    /guest exit: instruction abort, translation fault level \d at IPA 0x40000000 from EL1/,
  );
  const frames = await s.frames(threadId);
  assert.match(frames[0]?.name ?? '', isVhe ? /^__/ : /^__kvm_nvhe_/);
  assert.ok(frames.some((f) => f.name.startsWith('instruction abort')));
  const shown = await s.scope(await s.top(threadId), 'Current vcpu');
  assert.match(shown.get('current vcpu')?.value ?? '', /^found by: TPIDR_EL2 and kvm_host_data/);
  assert.match(
    shown.get('vm_list')?.value ?? '',
    /^found by: (?:the list that the code of vm_stat_get,|its symbol in vmlinuz-)/,
  );
  assert.equal(shown.get('arch')?.value, 'struct kvm_vcpu_arch');
  // A pointer into the host's kernel, from EL2, and back.
  assert.equal(await s.value('vcpu.arch.timer_cpu.timers[1].vcpu'), await s.value('&vcpus[0]'));
}

/** On the first instruction of the guest the CPU has what the struct says. */
async function entries(s: Session, count: number, isVhe: boolean): Promise<void> {
  await s.filter('guest-entry', 'vcpu == 0');
  let exits = -1n;
  let fromHost = 0;
  for (let n = 0; n < count; n++) {
    const { threadId } = await s.go('trap');
    const frame = await s.top(threadId);
    assert.deepEqual(await general(s, frame), await saved(s, 'vcpu'), `entry ${n}`);
    const before = exits;
    exits = await s.value('vcpus[0].stat.exits');
    // What KVM's code at EL2 has handled by itself leaves PC and PSTATE in the CPU, and counts as no exit.
    if (exits === before) continue;
    fromHost++;
    assert.equal(await s.value('pc'), await s.value('vcpu.arch.ctxt.regs.pc'));
    assert.equal(await s.value('cpsr'), await s.value('vcpu.arch.ctxt.regs.pstate'));
    assert.equal(await s.value('SP_EL0'), await s.value('vcpu.arch.ctxt.regs.sp'));
    // Bits from 34 on belong to features that a CPU may lack.
    assert.equal(await s.value('HCR_EL2 & 0x3ffffffff'), await s.value('vcpu.arch.hcr_el2 & 0x3ffffffff'));
    if (isVhe || fromHost % 10 !== 1) continue;
    const { variablesReference } = await s.evaluate('vcpu.arch.ctxt.sys_regs');
    const held = await s.children(variablesReference);
    for (const name of SWITCHED)
      assert.equal(numberOf(held.get(name)?.value ?? ''), await s.value(name), `entry ${n}: ${name}`);
    assert.match(held.get('SCTLR_EL1')?.evaluateName ?? '', /sys_regs\[\d+\]$/);
    assert.match(held.get('SCTLR_EL1')?.memoryReference ?? '', /^EL2:0x/);
  }
  assert.ok(fromHost > count / 2, `${fromHost} of ${count} entries came from the host`);
}

/** What the guest's registers were at an exit is still there while the host handles it, and can be changed. */
async function whileTheHostRuns(s: Session): Promise<void> {
  await s.filter('guest-exit', 'ec == DABT_LOW && ipa == 0x9000000');
  const exit = await s.go('trap');
  const before = await general(s, await s.top(exit.threadId));
  const pc = await s.value('ELR_EL2');
  const vttbr = await s.value('VTTBR_EL2');
  await s.filter();
  await s.functions('io_mem_abort');
  const stop = await s.go('function breakpoint');
  assert.equal((await s.frames(stop.threadId))[0]?.name, 'io_mem_abort');
  const threads = await s.list('threads', {}, 'threads');
  const waiting = threads.find((t) => t.name === 'vcpu 1.0 (not running)');
  assert.ok(waiting, JSON.stringify(threads));
  const frame = await s.top(waiting.id);
  assert.deepEqual(await general(s, frame), before);
  assert.equal(await s.value('pc', frame), pc);
  assert.equal((await s.value('VTTBR_EL2', frame)) & ~1n, vttbr & ~1n);
  // Its memory, through its own tables.
  const { data } = await s.client.ok<{ data: string }>('readMemory', {
    memoryReference: `EL1,vcpu=1.0:0x${GUEST_AT.toString(16)}`,
    count: 256,
  });
  assert.deepEqual(Buffer.from(data, 'base64'), readFileSync(GUEST).subarray(0, 256));
  // A register that is changed in memory is the CPU's when the guest goes on.
  const wanted = 0x1234_5678_9abcn;
  await s.client.ok('setExpression', {
    expression: 'x28',
    value: `0x${wanted.toString(16)}`,
    frameId: frame,
  });
  assert.equal(await s.value('vcpus[0].arch.ctxt.regs.regs[28]'), wanted);
  await s.functions();
  await s.filter('guest-entry', 'vcpu == 0');
  await s.go('trap');
  assert.equal(await s.value('x28'), wanted);
  await s.say(`x28 = 0x${(before[28] ?? 0n).toString(16)}`);
}

async function call(s: Session): Promise<void> {
  // PSCI_VERSION.
  await s.filter('guest-exit', 'ec == HVC64 && x0 == 0x84000000');
  const { description } = await s.go('trap');
  assert.match(description, /guest exit: HVC #0 from EL1/);
  assert.equal(await s.value('x0'), 0x8400_0000n);
}

/** In the monitor, at EL0: with KASLR the kernel is in no table of a program. */
async function inAProgram(s: Session): Promise<void> {
  await s.filter('svc');
  const { threadId } = await s.go('trap');
  assert.equal(await s.value('el'), 0n);
  assert.match((await s.say('vms')).split('\n')[1] ?? '', /^1\.0 +\d+ +not running +0x4000[0-9a-f]{4} +\d+ /);
  // Addresses of the program are its own still.
  const { data } = await s.client.ok<{ data?: string }>('readMemory', {
    memoryReference: (await s.frames(threadId))[0]?.instructionPointerReference,
    count: 4,
  });
  // SVC #0.
  assert.equal(Buffer.from(data ?? '', 'base64').toString('hex'), '010000d4');
}

/** The guest's vector registers, which it has filled, while the host handles an exit. */
async function vectors(s: Session): Promise<void> {
  await s.filter();
  await s.functions('kvm_handle_guest_abort');
  await s.go('function breakpoint');
  await s.functions();
  const waiting = (await s.list('threads', {}, 'threads')).find((t) => t.name === 'vcpu 1.0 (not running)');
  const frame = await s.top(waiting?.id ?? 0);
  assert.equal((await s.evaluate('v31', 'watch', frame)).result, `0x${'5a'.repeat(16)}`);
  assert.equal(await s.value('v30.d[0]', frame), 0x1234n);
}

async function stage2(s: Session): Promise<void> {
  await s.filter('stage2-fault', 'ipa >= 0x40100000 && ipa < 0x41000000');
  const { description } = await s.go('trap');
  assert.match(description, /stage 2 fault: data abort write, translation fault level \d at IPA 0x401/);
}

/** The guest is entered with its timer's interrupt in a list register, as KVM's own lists say. */
async function interrupts(s: Session, gic: 2 | 3): Promise<void> {
  const own = `vcpu.arch.vgic_cpu.vgic_v${gic}`;
  await s.filter('guest-entry', `${own}.used_lrs != 0`);
  const { threadId } = await s.go('trap');
  const shown = await s.scope(await s.top(threadId), 'Current vcpu');
  const fact = shown.get('virtual GIC');
  assert.match(
    fact?.value ?? '',
    /^1 list register used, ap_list: PPI 27: .*linked to the host's interrupt 27/,
  );
  const held = (await s.children(fact?.variablesReference ?? 0)).get('list register 0');
  assert.equal(numberOf(held?.value ?? ''), await s.value(`${own}.vgic_lr[0]`));
  assert.equal(numberOf(held?.value ?? ''), await s.value(gic === 3 ? 'ICH_LR0_EL2' : 'GICH_LR0'));
  assert.match(held?.value ?? '', / PPI 27: pending, group [01], .*linked to interrupt 27$/);
  const compare = await s.value('CNTV_CVAL_EL0');
  assert.match(
    shown.get('virtual timer')?.value ?? '',
    new RegExp(`^enabled, .*fires at 0x${compare.toString(16)}, .*in the timer of CPU \\d$`),
  );
}

/** The counts that the monitor prints when its guest has powered off, and the ones in the kernel's memory then. */
async function counts(s: Session): Promise<void> {
  await s.filter();
  await s.functions('kvm_destroy_vm');
  const stop = await s.go('function breakpoint');
  const text = s.console();
  const printed = [...text.matchAll(/kvm-stat (\w+) = (\d+)/g)];
  assert.ok(printed.length >= 7, text.slice(-2000));
  const list = await s.say('vms');
  const [, row = ''] = list.split('\n');
  assert.match(row, /^1\.0 +\d+ +not running +0x4000[0-9a-f]{4} +\d+ /, list);
  const all = printed.find(([, name]) => name === 'exits')?.[2];
  assert.match(row, new RegExp(` ${all} +hvc_exit_stat `));
  const facts = await s.scope(await s.top(stop.threadId), 'hyp context');
  const machine = await s.children(facts.get('VM 1')?.variablesReference ?? 0);
  const vcpu = await s.children(machine.get('vcpu 1.0')?.variablesReference ?? 0);
  const exits = await s.children(vcpu.get('exits')?.variablesReference ?? 0);
  for (const [, name = '', count = ''] of printed) assert.equal(exits.get(name)?.value, count, name);
  assert.equal(exits.get('mmio_exit_user')?.value, /exit 6 MMIO = (\d+)/.exec(text)?.[1]);
}

/** The next virtual machine has two vcpus, the second of which is off. */
async function twoVcpus(s: Session): Promise<void> {
  await s.functions();
  await s.filter('guest-entry');
  const { threadId } = await s.go('trap');
  assert.match(s.console(), /kvmtest vcpus=2/);
  const lines = (await s.say('vms')).split('\n');
  assert.match(lines[1] ?? '', /^1\.0 +\d+ +runs on CPU \d +0x40000000 +0/);
  assert.match(lines[2] ?? '', /^1\.1 +\d+ +not running /);
  const all = await s.scope(await s.top(threadId), 'hyp context');
  const machine = await s.children(all.get('VM 1')?.variablesReference ?? 0);
  const second = await s.children(machine.get('vcpu 1.1')?.variablesReference ?? 0);
  assert.equal(second.get('power')?.value, 'off by PSCI');
}

/** @throws AssertionError for what is not as it should be */
export async function debugKvm({ kernel, initrd }: DebianGuest, o: SessionOptions): Promise<void> {
  const s = new Session();
  const isVhe = o.cpu === 'cortex-a76' && !/kvm-arm\.mode=/.test(o.append);
  try {
    const append = `${base} ${o.append}`;
    const smp = o.smp ?? 1;
    await s.client.start({ kernel, initrd, append, cpu: o.cpu, smp, gic: o.gic ?? 3, memory: '256M' });
    assert.match(
      await s.client.refused('evaluate', { expression: 'vcpu.arch' }),
      /There is no vcpu on CPU 0 yet/,
    );
    await firstTrap(s, isVhe);
    await call(s);
    await entries(s, o.entries, isVhe);
    await whileTheHostRuns(s);
    await inAProgram(s);
    await stage2(s);
    await vectors(s);
    if (o.toTheEnd) {
      await interrupts(s, o.gic ?? 3);
      await counts(s);
      await twoVcpus(s);
    }
  } finally {
    await s.client.close();
  }
}
