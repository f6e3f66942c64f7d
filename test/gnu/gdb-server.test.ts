/** The server for gdb's remote protocol, asked by gdb itself, while a DAP client is attached to the same machine. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { DebugProtocol as DP } from '@vscode/debugprotocol';
import { packet, PacketReader } from '../../debug-adapter/gdb/packets';
import { DapClient } from '../dap/support/client';
import { SAMPLE_TOOLS, SampleBuild } from '../sample/gnu';
import { requireTool } from '../support/oracles';
import { Gdb } from './gdb-client';

/** Where the sample's code at EL2 runs (hypervisor/arm64/constants.inc). */
const HYP_VA_OFFSET = 0x7000000000n;
const hex = (v: bigint): string => `0x${v.toString(16)}`;

describe('gdb beside a DAP client', function () {
  let client: DapClient;
  const gdbs: Gdb[] = [];
  let sample: SampleBuild | undefined;
  let elf = '';
  const folder = mkdtempSync(path.join(tmpdir(), 'ws-gdb-server-'));

  before(function () {
    requireTool(this, 'gdb-multiarch', ...SAMPLE_TOOLS);
    sample = new SampleBuild();
    elf = sample.build();
  });
  after(() => {
    sample?.dispose();
    rmSync(folder, { recursive: true, force: true });
  });
  afterEach(async () => {
    for (const gdb of gdbs.splice(0)) await gdb.quit();
    await client.request('disconnect');
    await client.close();
    assert.equal(client.stderr, '');
  });

  /** The port that the Debug Console names. */
  async function launch(config: Record<string, unknown>): Promise<number> {
    client = new DapClient();
    await client.launch({ gdbServer: 0, ...config });
    const port = portTold();
    await client.ok('configurationDone');
    return port;
  }

  function portTold(): number {
    const told = client.events('output').map((b) => String(b['output']));
    const port = Number(/target remote 127\.0\.0\.1:(\d+)"/.exec(told.join(''))?.[1]);
    assert.ok(port > 0, told.join(''));
    return port;
  }

  async function start(config: Record<string, unknown> = {}, ...args: string[]): Promise<Gdb> {
    const port = await launch({ program: elf, ...config });
    if (config['stopOnEntry'] !== false) await client.event('stopped');
    return attach(port, ...args);
  }

  async function attach(port: number, ...args: string[]): Promise<Gdb> {
    const gdb = await Gdb.attach(port, ...args);
    gdbs.push(gdb);
    return gdb;
  }

  /** A value by the DAP client. */
  async function dap(expression: string): Promise<bigint> {
    const { result } = await client.ok<DP.EvaluateResponse['body']>('evaluate', {
      expression,
      context: 'repl',
    });
    return BigInt(/^\S+/.exec(result)?.[0] ?? '');
  }
  const stopped = (): Promise<DP.StoppedEvent['body']> => client.event('stopped');

  /** A program of a few lines. */
  function program(name: string, text: string): string {
    const file = path.join(folder, `${name}.S`);
    writeFileSync(file, text);
    return file;
  }
  const endless = (): string => program('endless', '_start:\tadd\tx1, x1, #1\n\tb\t_start\n');

  it('reads and writes the registers that the client reads and writes', async () => {
    const gdb = await start({ cpu: 'cortex-a76' });
    assert.match(await gdb.ok('info registers'), /^x0 .*\n(.*\n)*pc +0x40080000 /);
    for (const name of ['HCR_EL2', 'SCTLR_EL2', 'MIDR_EL1', 'ID_AA64MMFR1_EL1', 'CNTHV_CTL_EL2'])
      assert.equal(await gdb.value(`$${name}`), await dap(name), name);
    assert.equal(await gdb.value('$cpsr'), await dap('cpsr'));
    await gdb.ok('set $VBAR_EL2 = 0x40080800');
    await gdb.ok('set $HCR_EL2 |= 0x80000001');
    await gdb.ok('set $x5 = 0x123456789abcdef0');
    await gdb.ok('set $v3.d.u[1] = 0x77');
    assert.equal(await dap('VBAR_EL2'), 0x40080800n);
    assert.equal(await dap('HCR_EL2.VM'), 1n);
    assert.equal(await dap('x5'), 0x123456789abcdef0n);
    await client.ok('evaluate', { expression: 'TPIDR_EL2 = 0x55', context: 'repl' });
    await gdb.ok('maintenance flush register-cache');
    assert.equal(await gdb.value('$TPIDR_EL2'), 0x55n);
    assert.equal(await gdb.value('$v3.d.u[1]'), 0x77n);
    assert.match((await gdb.say('set $MIDR_EL1 = 0UL')).error ?? '', /MIDR_EL1 is read-only/);
    const el2 = await gdb.ok('info registers el2');
    for (const name of ['VTTBR_EL2', 'ESR_EL2', 'ICH_HCR_EL2', 'TTBR1_EL2'])
      assert.ok(el2.includes(name), name);
    assert.ok(!el2.includes('TTBR0_EL1'));
  });

  it('has the registers that the CPU has, and no others', async () => {
    const gdb = await start({ program: endless(), cpu: 'cortex-a57', secure: true });
    assert.ok(!(await gdb.ok('info registers el2')).includes('TTBR1_EL2'));
    assert.match(await gdb.ok('info registers el3'), /^SCR_EL3 /m);
    assert.match(await gdb.ok('info threads'), /"CPU 0" \(EL3/);
    await gdb.ok('set $TPIDR_EL3 = 0x1234');
    assert.equal(await dap('TPIDR_EL3'), 0x1234n);
  });

  it('stops at breakpoints by the value of the PC, and tells the client', async () => {
    const gdb = await start();
    await gdb.ok(`add-symbol-file ${elf} -o ${hex(HYP_VA_OFFSET)}`);
    await gdb.ok('break guest_exit');
    const first = await gdb.until('continue');
    assert.equal(first.reason, 'breakpoint-hit');
    await client.event('continued');
    const shown = await stopped();
    assert.equal(shown.description, 'Paused on a breakpoint of gdb');
    assert.equal(shown.hitBreakpointIds, undefined);
    assert.equal(first.pc, await dap('pc'));
    const { stackFrames } = await client.ok<DP.StackTraceResponse['body']>('stackTrace', { threadId: 1 });
    assert.equal(stackFrames[0]?.name, 'guest_exit');
    assert.equal(await gdb.value('(unsigned long)guest_exit'), first.pc);
    await gdb.ok('delete');
    // The same code at its other address: nobody executes it there.
    await gdb.ok(`hbreak *${hex((first.pc ?? 0n) - HYP_VA_OFFSET)}`);
    await gdb.ok(`hbreak *${hex((first.pc ?? 0n) + 4n)}`);
    const second = await gdb.until('continue');
    assert.equal(second.pc, (first.pc ?? 0n) + 4n);
    assert.equal(second.reason, 'breakpoint-hit');
  });

  it('stops right behind an access that is watched', async () => {
    const gdb = await start({}, elf);
    await gdb.ok('watch *(unsigned long *)&vms');
    const stop = await gdb.until('continue');
    assert.equal(stop.reason, 'watchpoint-trigger');
    assert.match(await gdb.ok('x/i $pc-4'), /\tst/);
    assert.equal(stop.pc, await dap('pc'));
    await gdb.ok('delete');
    await gdb.ok('rwatch *(unsigned long *)&vms');
    assert.equal((await gdb.until('continue')).reason, 'read-watchpoint-trigger');
    assert.match(await gdb.ok('x/i $pc-4'), /\tld/);
  });

  it('steps as the client does', async () => {
    const gdb = await start();
    const seen: bigint[] = [];
    for (let i = 0; i < 5; i++) seen.push((await gdb.until('stepi')).pc ?? 0n);
    assert.equal(seen.at(-1), await dap('pc'));
    const before = client.events('stopped').length;
    await client.ok('restart');
    while (client.events('stopped').length === before) await new Promise((done) => setTimeout(done, 10));
    const pcs: bigint[] = [];
    for (let i = 0; i < 5; i++) {
      const count = client.events('stopped').length;
      await client.ok('stepIn', { threadId: 1, granularity: 'instruction' });
      while (client.events('stopped').length === count) await new Promise((done) => setTimeout(done, 10));
      pcs.push(await dap('pc'));
    }
    assert.deepEqual(seen, pcs);
  });

  it('steps by lines of the source', async () => {
    const source = program(
      'lines',
      '\t.globl\t_start\n_start:\tmov\tx0, #1\n\tmov\tx1, #2\n\tmov\tx2, #3\nend:\tb\tend\n',
    );
    sample?.run('aarch64-linux-gnu-as', ['-g', source, '-o', path.join(folder, 'lines.o')]);
    const file = path.join(folder, 'lines.elf');
    sample?.run('aarch64-linux-gnu-ld', ['-Ttext=0x40080000', path.join(folder, 'lines.o'), '-o', file]);
    const gdb = await start({ program: file }, file);
    const stop = await gdb.until('next');
    assert.match(stop.record, /line="3"/);
    assert.equal(stop.pc, 0x40080004n);
  });

  it('has a stop of either side, and a resumption by either, in both', async () => {
    const gdb = await start({}, elf);
    await client.ok('setFunctionBreakpoints', { breakpoints: [{ name: 'host_start_hypervisor' }] });
    await client.ok('setExceptionBreakpoints', { filters: ['hvc'] });
    const first = await gdb.until('continue');
    const [a, b] = [await stopped(), await dap('pc')];
    assert.equal(a.reason, 'function breakpoint');
    assert.equal(first.pc, b);
    assert.match(first.said, /Paused on function breakpoint/);
    assert.match(await gdb.ok('where'), /^#0 +host_start_hypervisor/);
    const second = await gdb.until('continue');
    assert.match(second.said, /Paused on HVC #0 from EL1/);
    assert.equal(second.signal, 'SIGTRAP');
    await stopped();
    // The client goes on; gdb is not told, and does what is right on a place that it has not seen.
    await client.ok('setExceptionBreakpoints', { filters: ['trap-entry'] });
    await client.ok('continue', { threadId: 1 });
    assert.match((await stopped()).description ?? '', /trap entry/);
    const at = await dap('pc');
    await gdb.ok('maintenance flush register-cache');
    assert.equal(await gdb.value('$pc'), at);
    await client.ok('setExceptionBreakpoints', { filters: [] });
    assert.equal((await gdb.until('stepi')).pc, await dap('pc'));
  });

  it('pauses for either side', async () => {
    const gdb = await start({ program: endless(), stopOnEntry: false });
    assert.equal((await stopped()).reason, 'pause');
    const x1 = await dap('x1');
    await gdb.run('continue');
    await client.event('continued');
    setTimeout(() => gdb.interrupt(), 300);
    const stop = await gdb.stop();
    assert.equal(stop.signal, 'SIGINT');
    assert.equal((await stopped()).reason, 'pause');
    assert.ok((await dap('x1')) > x1);
    await gdb.run('continue');
    await client.event('continued');
    await client.ok('pause', { threadId: 1 });
    assert.equal((await gdb.stop()).signal, 'SIGINT');
  });

  it('has the CPUs as threads', async () => {
    const gdb = await start({
      program: path.join(__dirname, '../../hypervisor/arm64/stories/smp.S'),
      smp: 4,
    });
    assert.match(await gdb.ok('info threads'), /\* 1 .*"CPU 0" \(EL2\)(.*\n)+.*4 .*"CPU 3" \(off\)/);
    await client.ok('setExceptionBreakpoints', { filters: ['guest-entry'] });
    let cpu = 0;
    for (let i = 0; i < 40; i++) {
      await gdb.until('continue');
      const { threadId } = await stopped();
      assert.equal(await gdb.value('$_thread'), BigInt(threadId ?? 0));
      cpu = (threadId ?? 1) - 1;
      if (cpu > 0) break;
    }
    assert.match(
      await gdb.ok('info threads'),
      new RegExp(`\\* ${cpu + 1} .*"CPU ${cpu}" \\(EL1 guest, VM \\d vCPU \\d, VMID \\d\\)`),
    );
    await gdb.ok('thread 1');
    assert.equal(await gdb.value('$MPIDR_EL1 & 0xff'), 0n);
    await gdb.ok('thread 4');
    assert.equal(await gdb.value('$MPIDR_EL1 & 0xff'), 3n);
  });

  it('reads and writes memory of any address space', async () => {
    const gdb = await start({}, elf);
    await client.ok('setExceptionBreakpoints', { filters: ['guest-entry'] });
    await gdb.until('continue');
    await stopped();
    const pc = await dap('pc');
    const word = await gdb.value(`*(unsigned int *)${hex(pc)}`);
    assert.equal(word, await dap(`*(u32*)${hex(pc)}`));
    assert.match(await gdb.ok('monitor space PA'), /Memory is that of PA/);
    await gdb.ok('maintenance flush dcache');
    const pa = await gdb.value('&vms');
    await gdb.ok(`set {unsigned long}${hex(pa)} = 0x1122334455667788`);
    assert.equal(await dap(`*(u64*)PA:${hex(pa)}`), 0x1122334455667788n);
    await gdb.ok('monitor space EL2');
    await gdb.ok('maintenance flush dcache');
    assert.equal(await gdb.value(`*(unsigned long *)${hex(pa | HYP_VA_OFFSET)}`), 0x1122334455667788n);
    await gdb.ok('monitor space current');
    await gdb.ok('maintenance flush dcache');
    assert.match((await gdb.say(`x/x ${hex(pa | HYP_VA_OFFSET)}`)).error ?? '', /Cannot access memory/);
  });

  it('answers monitor commands', async () => {
    const gdb = await start();
    assert.match(await gdb.ok('monitor help'), /walk ADDRESS(.*\n)+space \[SPACE\]/);
    assert.match(await gdb.ok('monitor walk pc'), /^EL2:0x40080000\n(.*\n)+.*PA 0x40080000/);
    assert.match(await gdb.ok('monitor x7 = 0x99'), /0x99/);
    assert.equal(await dap('x7'), 0x99n);
    assert.match(await gdb.ok('monitor no_such_thing'), /no_such_thing/);
    assert.match(await gdb.ok('monitor space XYZ'), /names no address space/);
  });

  it('says that the guest has powered off', async () => {
    const off = program('off', '_start:\tldr\tx0, =0x84000008\n\tsmc\t#0\n');
    const gdb = await start({ program: off });
    assert.equal((await gdb.until('continue')).reason, 'exited-normally');
    await client.event('terminated');
  });

  it('stays with a guest that resets its machine', async () => {
    const reset = program('reset', '_start:\tldr\tx0, =0x84000009\n\tsmc\t#0\n');
    const gdb = await start({ program: reset });
    await gdb.ok('break *0x40080000');
    for (let i = 0; i < 3; i++) assert.equal((await gdb.until('continue')).pc, 0x40080000n);
    assert.equal(await dap('pc'), 0x40080000n);
  });

  it('shares places with breakpoints of the client', async () => {
    const gdb = await start({}, elf);
    const { breakpoints } = await client.ok<DP.SetFunctionBreakpointsResponse['body']>(
      'setFunctionBreakpoints',
      {
        breakpoints: [{ name: 'host_start_hypervisor' }],
      },
    );
    await gdb.ok('break host_start_hypervisor');
    assert.equal((await gdb.until('continue')).reason, 'breakpoint-hit');
    const { reason, hitBreakpointIds } = await stopped();
    assert.equal(reason, 'function breakpoint');
    assert.deepEqual(hitBreakpointIds, [breakpoints[0]?.id]);
  });

  it('serves one gdb after another, and one at a time', async () => {
    const port = await launch({ program: endless() });
    await stopped();
    const first = await attach(port);
    await first.ok('break *0x40080004');
    const second = new Gdb();
    gdbs.push(second);
    const refused = await second.say(`target remote 127.0.0.1:${port}`);
    assert.match(`${refused.text}${refused.error}`, /Another gdb is attached to this machine/);
    await first.until('continue');
    await stopped();
    await first.ok('detach');
    // The guest stands where it stood, and gdb's breakpoint is gone.
    assert.equal(await dap('pc'), 0x40080004n);
    await client.ok('continue', { threadId: 1 });
    await client.ok('pause', { threadId: 1 });
    assert.equal((await stopped()).reason, 'pause');
    const third = await attach(port);
    await third.ok('kill');
    const fourth = await attach(port);
    assert.equal(await fourth.value('$pc'), await dap('pc'));
    const told = client.events('output').map((b) => String(b['output']));
    assert.ok(told.some((t) => t.includes('the session stays')));
  });

  it('survives packets that make no sense', async () => {
    const port = await launch({ program: endless() });
    await stopped();
    const socket = net.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    const answers: string[] = [];
    const reader = new PacketReader({
      packet: (data) => answers.push(data),
      interrupt: () => undefined,
      acknowledge: () => undefined,
      resend: () => undefined,
    });
    socket.on('data', (d) => reader.push(d));
    const ask = async (data: string): Promise<string> => {
      const count = answers.length;
      socket.write(packet(data), 'latin1');
      while (answers.length === count) await new Promise((done) => setTimeout(done, 1));
      return answers.at(-1) ?? '';
    };
    const wrong = [
      'm',
      'm,',
      'mzz,4',
      'm0,fffffffff',
      'M0,4:00',
      'M0,1:zz',
      'X40080000,8:ab',
      'G00',
      'P',
      'P0=1',
    ];
    const strange = [
      'pffff',
      'p',
      'Hg99',
      'Hgx',
      'T99',
      'Z0,x,4',
      'Z2,40080000,ffffff',
      'vCont;x',
      'vCont;r1:1',
    ];
    const queries = [
      'qRcmd,zz',
      'qXfer:features:read:target.xml:x',
      'qXfer:threads:read::1',
      'qThreadExtraInfo,99',
    ];
    for (const data of [...wrong, ...strange, ...queries]) assert.match(await ask(data), /^E/, data);
    for (const data of ['', 'vMustReplyEmpty', 'Z9,0,0', 'qXfer:nothing:read::0,1', '\xff}', 'bc'])
      assert.equal(await ask(data), '', data);
    socket.write(`\x03+++$$##$m#00${'$'.repeat(100)}`);
    assert.equal(await ask('qAttached'), '1');
    assert.match(await ask('?'), /^T05thread:1;/);
    socket.destroy();
    await client.event('output');
    assert.equal(await dap('pc'), 0x40080000n);
  });

  it('refuses a port that is taken, and values that are no ports', async () => {
    const taken = net.createServer();
    taken.listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as net.AddressInfo;
    client = new DapClient();
    await client.ok('initialize', { adapterID: 'worldswitch' });
    const launchArgs = { program: endless() };
    assert.match(
      await client.refused('launch', { ...launchArgs, gdbServer: port }),
      new RegExp(`^The port ${port} of "gdbServer" cannot be used .*choose another`),
    );
    taken.close();
    assert.match(
      await client.refused('launch', { ...launchArgs, gdbServer: '1234' }),
      /"gdbServer" in launch.json must be/,
    );
    // The session is as good as new; a gdb that comes early waits for the client.
    await client.ok('launch', { ...launchArgs, gdbServer: 0 });
    const early = net.connect(portTold(), '127.0.0.1');
    await once(early, 'connect');
    early.write(packet('?'));
    let isAnswered = false;
    const answered = once(early, 'data').then(() => (isAnswered = true));
    await client.event('initialized');
    await client.ok('threads');
    assert.ok(!isAnswered);
    await client.ok('configurationDone');
    await answered;
    early.destroy();
  });
});
