import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { hex } from '../inspect/numbers';
import { exceptionHistory } from '../inspect/history';
import { partNamed, partsOf, type Item } from '../inspect/items';
import { FrameNames, checkExpression } from '../inspect/names';
import type { Frame } from '../inspect/frame';
import { StackWalker } from '../inspect/frames';
import { isVerified } from '../breakpoints/manager';
import { UserError } from '../errors';
import { SessionListener } from '../listener';
import { handlers as stackRequests } from '../requests/stack';
import { Session } from '../session';
import { linuxCommands } from './commands';
import { linuxGuest, moduleFile, type LinuxGuest } from '../../test/linux/linux-guest';

/** One boot with KASLR, and so with KPTI; what the debugger says is compared with what the kernel says. */
describe('a Linux kernel with KASLR', function () {
  this.timeout(300_000);
  let guest: LinuxGuest;

  const walker = (): StackWalker =>
    new StackWalker(guest.target.guest, exceptionHistory(guest.target.trace, guest.target.arch));
  const namesOf = (frame: Frame): FrameNames =>
    new FrameNames({ version: 0, walker: walker(), guest: guest.target.guest, target: guest.target }, frame);

  const dmesg = (argument = ''): string[] => {
    const { linux } = guest.target;
    assert.ok(linux);
    return (linuxCommands['dmesg']?.run(linux, argument) ?? '').split('\n');
  };

  const request = { signal: new AbortController().signal, afterResponse: () => undefined };
  /** A client's session with the guest, and the events that it is sent. */
  const clientOf = (events: unknown[] = []): Session => {
    const session = new Session((event, body) => events.push([event, body]));
    session.target = guest.target;
    session.control = guest.control;
    return session;
  };

  before(function () {
    const append = 'console=ttyAMA0 earlycon cryptomgr.notests initcall_blacklist=trace_eval_init';
    const booted = linuxGuest({ append, smp: 2 });
    // `npm test` fetches the kernel; scripts/debian.mjs does it for a single spec.
    if (!booted) return this.skip();
    guest = booted;
  });

  it('has no slide before it has relocated itself, and names code that runs at physical addresses', () => {
    const { target } = guest;
    assert.equal(target.linux?.slide(), undefined);
    target.machine.run({ instructions: 100_000 });
    const names = walker()
      .frames(0)
      .map((f) => walker().nameOf(f));
    assert.equal(names.at(-1), '__primary_switch');
    assert.ok(names.includes('__pi_kaslr_early_init'), names.join());
  });

  it('shows its messages before it has a console', () => {
    assert.throws(() => dmesg(), /was not found: the kernel has not set up its memory yet/);
    guest.target.machine.run({ instructions: 3_000_000 });
    assert.equal(guest.console(), '');
    assert.match(dmesg()[0] ?? '', /^\[ {4}0\.000000\] Booting Linux on physical CPU 0x0/);
  });

  it('gives functions the addresses that the kernel lists', () => {
    guest.until('== ready');
    const { symbols } = guest.target;
    const listed = guest.said('kallsyms').map((line) => line.split(' '));
    assert.ok(listed.length >= 50);
    for (const [address = '', , name = ''] of listed) {
      const found = symbols.symbolByName(name).map((s) => s.address.toString(16));
      assert.ok(found.includes(address), `${name}: ${found.join()} for ${address}`);
      const at = symbols.symbolAt({ va: BigInt(`0x${address}`), regime: { el: 'EL1', vmid: 0 } });
      assert.equal(at?.offset, 0n, name);
    }
  });

  it('lists the messages that dmesg lists', () => {
    const listed = guest.said('dmesg');
    assert.ok(listed.length > 200);
    assert.deepEqual(dmesg().slice(0, listed.length), listed);
    assert.equal(
      dmesg('2').at(-1)?.replace(/\d+/, 'N'),
      'N messages, in the ring buffer found by the code of kmsg_dump_get_line, which loads the pointer to it.',
    );
    assert.equal(dmesg('2').length, 3);
  });

  it('lists the tasks that ps lists', () => {
    const { linux } = guest.target;
    assert.ok(linux);
    const listed = guest
      .said('ps')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter(([, name]) => name !== 'ps');
    assert.ok(listed.length > 40);
    const last = Number(listed.at(-1)?.[0]);
    const all = linux.tasks.all().filter((t) => t.pid > 0 && t.pid <= last);
    assert.deepEqual(
      // A worker's name in /proc has its work in it.
      all.map((t) => [String(t.pid), t.name.replace(/(kworker.{4,6})[-+].*/, '$1')]),
      listed.map(([pid, name = '']) => [pid, name.replace(/(kworker.{4,6})[-+].*/, '$1')]),
    );
    const text = linuxCommands['tasks']?.run(linux, '') ?? '';
    assert.match(text, /^ {4}1 {5}0 S {6}init$/m);
    assert.match(text, /^ {4}2 {5}0 S {6}\[kthreadd\]$/m);
    assert.match(text, /^\d+ tasks, from the idle task .* found by the code of idle_cpu/m);
    assert.throws(() => linuxCommands['tasks']?.run(linux, 'x'), UserError);
  });

  it('knows the modules that it has loaded, and their symbols', async () => {
    const { linux, symbols } = guest.target;
    assert.ok(linux);
    const listed = guest.said('modules').map((line) => line.split(' '));
    assert.deepEqual(
      linux.modules.all().map((m) => [m.name, String(m.size), m.state, hex(m.base)]),
      listed.map(([name, size, , , state = '', base]) => [name, size, state.toLowerCase(), base]),
    );
    assert.equal(linux.modules.how, 'by the code of find_module_all, which walks it');
    // With what initialises them they have lost the symbols of it.
    assert.deepEqual(guest.modules, ['+dummy.ko', '+loop.ko', '=dummy.ko']);
    const [text = ''] = guest.said('sections');
    const loop = symbols.modules.find((m) => m.name === 'loop.ko');
    assert.ok(loop);
    const events: unknown[] = [];
    new SessionListener(clientOf(events)).modulesChanged({ added: [loop], changed: [loop], removed: [loop] });
    const place = /^loop (\d+) .* (0x[0-9a-f]+)$/.exec(guest.said('modules')[0] ?? '');
    const module = {
      id: loop.id,
      name: 'loop.ko',
      addressRange: `${place?.[2]}, ${place?.[1]} bytes`,
      symbolStatus: `Symbols of the kernel's list, found ${linux.modules.how}`,
    };
    assert.deepEqual(events, [
      ['module', { reason: 'removed', module: { id: loop.id, name: 'loop.ko' } }],
      ['module', { reason: 'new', module }],
      ['module', { reason: 'changed', module }],
    ]);
    const all = await stackRequests.modules?.(clientOf(), {}, request);
    assert.deepEqual(
      all?.modules.filter(({ name }) => name.endsWith('.ko')).map(({ id }) => id),
      symbols.modules.filter(({ name }) => name.endsWith('.ko')).map(({ id }) => id),
    );
    assert.ok(all.modules.some((m) => m.id === module.id && m.addressRange === module.addressRange));
    const nm = spawnSync('aarch64-linux-gnu-nm', [moduleFile('dummy')], { encoding: 'utf8' }).stdout;
    const own = [...nm.matchAll(/^([0-9a-f]{16}) t (dummy_\w+)$/gm)].filter(
      ([, , n]) => !/_module$/.test(n ?? ''),
    );
    assert.ok(own.length > 5);
    for (const [, offset = '', name = ''] of own) {
      const va = BigInt(text) + BigInt(`0x${offset}`);
      assert.equal(symbols.symbolByName(name)[0]?.address, va, name);
      assert.equal(symbols.symbolAt({ va, regime: { el: 'EL1', vmid: 0 } })?.name, name);
    }
  });

  it('stops in a module that is loaded later, and is rid of it when it is removed', async () => {
    const { control } = guest;
    const [b] = control.breakpoints.replace('function', '', [
      { subject: { k: 'function', name: 'brd_init' } },
    ]);
    assert.ok(b && !isVerified(b));
    assert.match(b.reason ?? '', /the breakpoint is set when the kernel loads a module with it/);
    await guest.stop(() => control.resume());
    assert.ok(isVerified(b));
    assert.deepEqual(guest.verified, [b.id]);
    const cpu = control.lastStop?.cpu ?? -1;
    const names = walker()
      .frames(cpu)
      .map((f) => walker().nameOf(f));
    assert.deepEqual(names.slice(0, 4), ['brd_init', 'do_one_initcall', 'do_init_module', 'load_module']);
    assert.deepEqual(guest.modules.slice(3), ['+brd.ko', '=loop.ko']);
    control.breakpoints.clear();
    guest.until('== gone');
    assert.equal(guest.modules.at(-1), '-brd.ko');
    assert.deepEqual(guest.target.symbols.symbolByName('brd_probe'), []);
  });

  it('shows KVM and the host below a guest, down to the program that has asked for it', async () => {
    const { control, target } = guest;
    control.breakpoints.replace('function', '', [
      { subject: { k: 'function', name: '__kvm_nvhe___guest_enter' } },
    ]);
    const { cpu } = await guest.stop(() => control.resume());
    control.breakpoints.clear();
    const names = (): string[] =>
      walker()
        .frames(cpu)
        .map((f) => walker().nameOf(f));
    // The addresses of symbols are those at which EL2 has them, where KVM has put them by chance.
    const enter = walker().frames(cpu)[0];
    assert.ok(enter && namesOf(enter).number('__kvm_nvhe___guest_enter') === enter.pc);
    assert.notEqual(target.symbols.symbolByName('__kvm_nvhe___guest_enter')[0]?.address, enter.pc);
    const host = [
      'HVC from EL1',
      'kvm_arm_vcpu_enter_exit',
      'kvm_arch_vcpu_ioctl_run',
      'kvm_vcpu_ioctl',
      '__arm64_sys_ioctl',
      'invoke_syscall',
      'el0_svc_common.constprop.0',
      'do_el0_svc',
      'el0_svc',
      'el0t_64_sync_handler',
      'el0t_64_sync',
      'SVC #0 from EL0',
    ];
    const hyp = ['vcpu_run', 'handle___kvm_vcpu_run', 'handle_trap', '__host_exit'];
    const all = ['KVM runs vcpu 1.0', ...hyp, ...host].map((n) =>
      n === 'vcpu_run' ? '__kvm_nvhe___kvm_vcpu_run' : hyp.includes(n) ? `__kvm_nvhe_${n}` : n,
    );
    for (let n = 0; n < 500 && target.arch.context(cpu).vmid === undefined; n++) control.leave(cpu);
    assert.equal(target.arch.levelText(cpu), 'EL1 guest');
    const inside = names();
    assert.equal(inside[0], '0x40000000', 'the first instruction of the guest');
    assert.deepEqual(inside.slice(1, 1 + all.length), all);
    const program = inside.slice(1 + all.length);
    assert.ok(program.length > 2, 'several frames of kvmtest, whose memory is not in the tables of the CPU');
    for (const address of program) assert.match(address, /^0x4[0-9a-f]{5}$/);
    // Without debug information every frame opens as a disassembly, whoever's code it is, with its line there.
    const client = clientOf();
    const stack =
      (await stackRequests.stackTrace?.(client, { threadId: cpu + 1 }, request))?.stackFrames ?? [];
    const code = stack.filter((f) => f.presentationHint !== 'label');
    assert.equal(stack.length, inside.length);
    for (const f of code) {
      const sourceReference = f.source?.sourceReference ?? 0;
      const document = await stackRequests.source?.(client, { sourceReference }, request);
      const line = document?.content.split('\n')[f.line - 1] ?? '';
      const [at = '', word = ''] = line.split(/\s+/);
      const pc = BigInt(f.instructionPointerReference?.split(':').at(-1) ?? 0);
      // A frame's line is the call, its PC is behind it.
      assert.ok([0n, 4n].includes(pc - BigInt(`0x${at}`)), `${f.name}: ${line}`);
      // Stage 2 has no page of the guest yet.
      assert.match(word, f === code[0] ? /^\.{8}$/ : /^[0-9a-f]{8}$/, `${f.name}: ${line}`);
    }
    const kernel = walker()
      .frames(cpu)
      .find((f) => walker().nameOf(f) === 'kvm_arch_vcpu_ioctl_run');
    assert.ok(kernel);
    const runs = namesOf(kernel);
    assert.equal(partNamed(runs.path('runqueues') ?? assert.fail(), 'cpu').value, String(cpu));
    assert.equal(runs.number('kvm_running_vcpu.cpu'), BigInt(cpu));
    assert.equal(runs.path('runqueues.curr.comm')?.value.split('\\x00')[0]?.slice(0, 8), '"kvmtest');
    // Behind the guest's exit the handler has KVM's registers not back yet.
    for (let n = 0; n < 5000 && target.arch.context(cpu).el !== 2; n++) control.leave(cpu);
    const outside = names();
    const at = outside.indexOf('KVM runs vcpu 1.0');
    assert.match(outside[at - 2] ?? '', / from EL1$/);
    assert.deepEqual(outside.slice(at, at + all.length), all);
    guest.until('== guest');
  });

  it('stops at a function and knows its address in expressions', async () => {
    const { control } = guest;
    const [b] = control.breakpoints.replace('function', '', [{ subject: { k: 'function', name: 'panic' } }]);
    assert.ok(b && isVerified(b));
    await guest.stop(() => control.resume());
    assert.equal(guest.where(), 'panic');
    const frame = walker().frames(0)[0];
    assert.ok(frame);
    const names = namesOf(frame);
    assert.equal(names.number('panic'), frame.pc);
    assert.equal(names.number('&panic'), frame.pc);
    assert.equal(names.number('*(u32*)(panic + 4) - *(u32*)(pc + 4)'), 0n);
  });

  it('knows the per-CPU variables and the current tasks', () => {
    const frame = walker().frames(0)[0];
    assert.ok(frame);
    const names = namesOf(frame);
    assert.equal(names.number('runqueues.cpu'), 0n);
    assert.equal(names.number('per_cpu(runqueues, 1).cpu + 5'), 6n);
    assert.equal(names.number('per_cpu(cpu_number, cpu + 1)'), 1n);
    assert.equal(names.path('per_cpu(runqueues, 1)')?.type, 'struct rq');
    assert.equal(names.path('kvm_running_vcpu')?.type, 'struct kvm_vcpu *');
    assert.equal(names.path('runqueues.curr')?.evaluateName, 'runqueues.curr');
    assert.equal(names.path('per_cpu(runqueues, 1).curr')?.evaluateName, 'per_cpu(runqueues, 1).curr');
    // At EL1 the kernel keeps its current task in SP_EL0.
    assert.equal(names.number('runqueues.curr'), names.number('SP_EL0'));
    checkExpression('per_cpu(runqueues, 1).nr_running > 0 && per_cpu(cpu_number, 0) == 0');
    assert.throws(() => checkExpression('per_cpu(runqueues, 1 +)'));
    for (const wrong of ['per_cpu(runqueues, 2)', 'per_cpu(nothing, 0)'])
      assert.throws(() => names.number(wrong), /There is no per-CPU variable/);
    const items = names.linux()?.items() ?? [];
    const item = (name: string): Item => {
      const found = items.find((i) => i.name === name);
      assert.ok(found, name);
      return found;
    };
    const current = item('current task of CPU 0');
    // What the kernel is about to print of its panic: CPU: 0 PID: 1 Comm: init.
    assert.equal(current.value, 'init (pid 1)');
    assert.equal(partNamed(current, 'pid').value, '1');
    assert.equal(current.address, names.number('SP_EL0'));
    assert.match(item('current task of CPU 1').value, /\(pid \d+\)$/);
    assert.ok(partsOf(item('per-CPU variables')).length > 250);
    const [, init] = partsOf(item('tasks')).filter((t) => / \(pid [01]\)/.test(t.value));
    assert.equal(partNamed(init ?? current, 'comm').value.startsWith('"'), true);
    assert.deepEqual(
      partsOf(item('modules')).map((m) => m.name),
      ['loop', 'dummy'],
    );
    assert.match(item('found').value, /^per-CPU data by the code of idle_cpu/);
    const user = walker()
      .frames(0)
      .find((f) => f.level === 0 && f.kind === 'code');
    assert.ok(user && namesOf(user).linux(), 'a program of this kernel');
    assert.ok(names.beginning('kvm_running').some(({ label }) => label === 'kvm_running_vcpu'));
  });

  it('shows the call stack that the kernel prints, down to the program and through an interrupt', () => {
    const stack = (cpu: number): { name: string; kind: string }[] =>
      walker()
        .frames(cpu)
        .map((f) => ({ name: walker().nameOf(f), kind: f.kind }));
    const own = stack(0);
    guest.control.breakpoints.clear();
    guest.until('end Kernel panic');
    const [, printed = ''] = guest.console().replaceAll('\r', '').split('Call trace:\n');
    const names = [...printed.matchAll(/^\[[ .\d]+\] {2}([\w.]+)\+(0x[0-9a-f]+)\/0x[0-9a-f]+$/gm)];
    // The kernel names return addresses: the one behind a call without return is in the next function.
    const wanted = names
      .slice(names.findIndex(([, n]) => n === 'panic'))
      .map(([, n, at]) => (at === '0x0' ? '' : n));
    assert.ok(wanted.length > 10);
    assert.deepEqual(
      own.slice(0, wanted.length).map(({ name }, i) => (wanted[i] === '' ? '' : name)),
      wanted,
    );
    assert.deepEqual(own[wanted.length], { name: 'SVC #0 from EL0', kind: 'label' });
    assert.ok(own.length > wanted.length + 2, 'frames of the shell');
    // The other CPU was stopped by an interrupt while it was idle.
    const other = stack(1).map(({ name }) => name);
    const at = other.indexOf('IRQ from EL1');
    assert.equal(other[at - 1], 'el1h_64_irq');
    assert.deepEqual(other.slice(at + 1), [
      'arch_cpu_idle',
      'default_idle_call',
      'do_idle',
      'cpu_startup_entry',
      'secondary_start_kernel',
      '__secondary_switched',
    ]);
    const idle = walker().frames(1)[at + 1];
    assert.ok(idle);
    assert.equal(idle.registers.read('pc'), idle.pc);
    assert.equal(idle.registers.read('x29'), namesOf(idle).number('x29'));
  });

  it('has the slide that the kernel prints, and its last words', () => {
    const { target } = guest;
    const last = dmesg().slice(-5).join('\n');
    assert.match(last, /end Kernel panic - not syncing: sysrq triggered crash/);
    const offset = /Kernel Offset: (0x[0-9a-f]+) from (0x[0-9a-f]+)/.exec(guest.console());
    assert.equal(target.linux?.slide(), BigInt(offset?.[1] ?? 0));
    assert.equal(target.linux.imageBase, BigInt(offset?.[2] ?? 0));
  });
});
