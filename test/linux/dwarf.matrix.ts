/**
 * A stock Debian kernel with the vmlinux of its -dbg package. The package is large, so `npm test` leaves these specs to
 * `npm run test:matrix`, which fetches it; as `node scripts/debian.mjs --dbg` does for who runs them alone.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { DebugProtocol as DP } from '@vscode/debugprotocol';
import { SymbolIndex } from '../../debug-adapter/symbols';
import type { FrameReader } from '../../debug-adapter/symbols/dwarf/expression';
import { fileSource, type FileSource } from '../../debug-adapter/symbols/file-source';
import { Workshop } from '../../debug-adapter/symbols/testing';
import { cachedDebian, cachedVmlinux } from '../../scripts/debian.mjs';
import { DapClient } from '../dap/support/client';
import { requireTool } from '../support/oracles';
import { askGdb, linesOf } from './kernel-oracle';

const HYP_MAIN = 'arch/arm64/kvm/hyp/nvhe/hyp-main.c';
const ENTRY = 'arch/arm64/kvm/hyp/entry.S';
const GIB = 1_000_000_000;

/** The files, or the end of the running test. */
function needed(ctx: Mocha.Context): { kernel: string; initrd: string; vmlinux: string } {
  const [guest, vmlinux] = [cachedDebian(), cachedVmlinux()];
  if (guest && vmlinux !== undefined) return { ...guest, vmlinux };
  if (process.env['WS_REQUIRE_DBG'] === '1')
    throw new Error('The vmlinux of the kernel is not in the cache: run "node scripts/debian.mjs --dbg".');
  return ctx.skip();
}

describe('the DWARF of a stock kernel', function () {
  let vmlinux: string;
  let source: FileSource;
  let index: SymbolIndex;
  before(function () {
    ({ vmlinux } = needed(this));
    requireTool(this, 'gdb-multiarch', 'aarch64-linux-gnu-addr2line');
    source = fileSource(vmlinux);
    index = new SymbolIndex();
    index.add({ name: vmlinux, source });
  });
  after(() => source?.close());

  const addressOf = (name: string): bigint => {
    const [symbol] = index.symbolByName(name);
    assert.ok(symbol, `there is no symbol ${name}`);
    return symbol.address;
  };

  it('says of addresses all over the text what addr2line says', () => {
    const [from, to] = [addressOf('_stext'), addressOf('_etext')];
    const count = 300n;
    // Inside an instruction: between the first and the last byte addr2line does not prefer statements, as gdb and we do.
    const addresses = Array.from(
      { length: Number(count) },
      (_, n) => (from + ((to - from) / count) * BigInt(n)) | 1n,
    );
    let known = 0;
    const silent: bigint[] = [];
    linesOf(vmlinux, addresses).forEach((theirs, n) => {
      const address = addresses[n] ?? 0n;
      const ours = index.lineAt(address);
      if (!ours) {
        if (theirs) silent.push(address);
        return;
      }
      known++;
      const where = `0x${address.toString(16)}: ${ours.path}`;
      assert.equal(ours.line, theirs?.line, where);
      // For a function that a macro of a header makes, addr2line names the file that includes it.
      if (!ours.path.endsWith('.h'))
        assert.equal(path.basename(ours.path), path.basename(theirs?.file ?? ''), where);
    });
    assert.ok(known > 280, `only ${known} addresses have a line`);
    // Replacements of instructions behind the last function of a file: addr2line gives them to its last line.
    assert.ok(silent.length < 6);
    assert.deepEqual(
      askGdb(vmlinux, [], [], silent).lines,
      silent.map(() => undefined),
    );
  });

  it('says of lines and variables what gdb says, in the code for EL2 too', () => {
    const functions = [
      '__kvm_nvhe_handle_trap',
      '__kvm_nvhe_handle___kvm_vcpu_run',
      '__kvm_nvhe___kvm_vcpu_run',
      '__kvm_vcpu_run_vhe',
      'kvm_arch_vcpu_ioctl_run',
    ];
    // Assembly for both worlds is included from a file of each: gdb knows it by these paths only.
    const places: readonly (readonly [file: string, line: number, ...spellings: string[]])[] = [
      ...[27, 230, 256, 281, 286].map((line) => [HYP_MAIN, line, HYP_MAIN] as const),
      ...[24, 32, 50, 90, 100].map(
        (line) => [ENTRY, line, ...['vhe', 'nvhe'].map((w) => `hyp/${w}/../entry.S`)] as const,
      ),
    ];
    const spelt = places.flatMap(([, line, ...spellings]) => spellings.map((file) => `${file}:${line}`));
    // Behind the NOPs at the entry, which gdb takes for the end of the function before.
    const code = [...functions, '__kvm_nvhe___guest_enter'].flatMap((name) => {
      const [first] = index.locationsOfSymbol(name);
      assert.ok(first, name);
      return Array.from({ length: 60 }, (_, n) => first.address + BigInt(4 * n));
    });
    const gdb = askGdb(vmlinux, functions, spelt, code);
    code.forEach((address, n) => {
      const [ours, theirs] = [index.lineAt(address), gdb.lines[n]];
      const where = `0x${address.toString(16)}`;
      assert.equal(ours?.line, theirs?.line, where);
      assert.equal(path.basename(ours?.path ?? ''), path.basename(theirs?.file ?? ''), where);
    });
    for (const [file, line, ...spellings] of places) {
      const theirs = spellings.flatMap((spelling) => gdb.breakpoints.get(`${spelling}:${line}`) ?? []);
      assert.ok(theirs.length >= spellings.length, `${file}:${line}`);
      assert.deepEqual(index.addressesOf(`/elsewhere/${file}`, line).addresses, theirs, `${file}:${line}`);
    }
    const blind: FrameReader = { reg: () => undefined, mem: () => undefined };
    let compared = 0;
    for (const [name, variables] of gdb.variables)
      for (const { name: variable, from, register } of variables) {
        const outward = index.functionAt(from)?.inlined.length ?? 0;
        const ours = index.variablesAt(from, blind, outward).find((v) => v.name === variable)?.location;
        const where = `${variable} of ${name} at 0x${from.toString(16)}`;
        assert.deepEqual(ours, { kind: 'register', register: Number(register.slice(1)) }, where);
        compared++;
      }
    assert.ok(compared > 40, `only ${compared} variables`);
  });

  it('is read in pieces, and without complaints', () => {
    assert.deepEqual(index.problems(), []);
    const { rss } = process.memoryUsage();
    assert.ok(rss < GIB, `${rss} bytes in memory`);
  });
});

interface Stop {
  readonly reason: string;
  readonly hitBreakpointIds?: readonly number[];
}

describe('a stock kernel beside its vmlinux', function () {
  let client: DapClient;
  let tree: string;
  let shop: Workshop;
  let launch: Record<string, unknown>;

  before(function () {
    const { vmlinux, kernel, initrd } = needed(this);
    requireTool(this, 'aarch64-linux-gnu-gcc', 'aarch64-linux-gnu-ld', 'aarch64-linux-gnu-addr2line');
    tree = mkdtempSync(path.join(tmpdir(), 'worldswitch-tree-'));
    // A kernel tree with one file in it.
    mkdirSync(path.dirname(path.join(tree, HYP_MAIN)), { recursive: true });
    writeFileSync(path.join(tree, HYP_MAIN), '/* a line */\n'.repeat(500));
    // Where the package was built is in its paths: one prefix for C, one for assembly.
    const index = new SymbolIndex();
    const source = fileSource(vmlinux);
    index.add({ name: vmlinux, source });
    const prefixes = ['__kvm_nvhe_handle_trap', '__kvm_nvhe___guest_enter'].map((name) => {
      const [symbol] = index.symbolByName(name);
      const [line] = linesOf(vmlinux, [symbol?.address ?? 0n]);
      return (line?.file ?? '').replace(/\/arch\/arm64\/.*$/, '');
    });
    source.close();
    shop = new Workshop();
    shop.write('guest.S', readFileSync(path.join(__dirname, 'kvmtest', 'guest.S'), 'utf8'));
    shop.run('aarch64-linux-gnu-gcc', '-g', '-c', '-o', 'guest.o', shop.path('guest.S'));
    shop.run('aarch64-linux-gnu-ld', '-Ttext=0x40000000', '-o', 'guest.elf', 'guest.o');
    launch = {
      kernel,
      initrd,
      append: 'console=ttyAMA0 nokaslr cryptomgr.notests initcall_blacklist=trace_eval_init',
      memory: '256M',
      symbols: [{ file: vmlinux }, { file: shop.path('guest.elf'), vm: 1 }],
      sourceMap: Object.fromEntries(prefixes.map((prefix) => [prefix, tree])),
    };
  });
  after(() => {
    shop?.close();
    if (tree) rmSync(tree, { recursive: true });
  });
  beforeEach(() => {
    client = new DapClient();
  });
  afterEach(async () => {
    await client.close();
  });

  const setLine = async (file: string, line: number): Promise<DP.Breakpoint> => {
    const args = { source: { path: file }, breakpoints: [{ line }] };
    const { breakpoints } = await client.ok<DP.SetBreakpointsResponse['body']>('setBreakpoints', args);
    assert.ok(breakpoints[0]);
    return breakpoints[0];
  };
  const clear = (file: string): Promise<unknown> =>
    client.ok('setBreakpoints', { source: { path: file }, breakpoints: [] });
  const run = async (): Promise<Stop> => {
    await client.ok('continue', { threadId: 1 });
    return client.event<Stop>('stopped', 120_000);
  };
  const frames = async (levels?: number): Promise<DP.StackFrame[]> => {
    const args = { threadId: 1, ...(levels === undefined ? {} : { levels }) };
    return (await client.ok<DP.StackTraceResponse['body']>('stackTrace', args)).stackFrames;
  };
  const children = async (variablesReference: number): Promise<DP.Variable[]> =>
    (await client.ok<DP.VariablesResponse['body']>('variables', { variablesReference })).variables;
  const argumentsOf = async (frameId: number): Promise<DP.Variable[]> => {
    const { scopes } = await client.ok<DP.ScopesResponse['body']>('scopes', { frameId });
    const scope = scopes.find((s) => s.name === 'Arguments');
    assert.ok(scope);
    return children(scope.variablesReference);
  };
  const number = async (expression: string, frameId?: number): Promise<bigint> => {
    const body = await client.ok<DP.EvaluateResponse['body']>('evaluate', {
      expression,
      context: 'watch',
      frameId,
    });
    return BigInt(body.result.split(' ')[0] ?? '');
  };
  const step = async (): Promise<DP.StackFrame> => {
    await client.ok('stepIn', { threadId: 1, granularity: 'instruction' });
    assert.equal((await client.event<Stop>('stopped')).reason, 'step');
    const [top] = await frames(1);
    assert.ok(top);
    return top;
  };

  it('stops at lines of its code for EL2, shows the vcpu, and steps into the guest and back', async () => {
    await client.start(launch);
    const file = path.join(tree, HYP_MAIN);
    const inC = await setLine(file, 27);
    assert.deepEqual([inC.verified, inC.line], [true, 27]);
    assert.deepEqual((await run()).hitBreakpointIds, [inC.id]);
    let stack = await frames();
    assert.equal(stack[0]?.name, 'handle___kvm_vcpu_run');
    // The file of the tree.
    assert.deepEqual([stack[0].source?.path, stack[0].line], [file, 27]);
    assert.match(stack[0].instructionPointerReference ?? '', /^EL2:0x/);
    const names = stack.map((f) => f.name);
    assert.deepEqual(names.slice(1, 3), ['handle_host_hcall (inlined)', 'handle_trap']);
    for (const name of ['HVC #0 from EL1', 'kvm_arch_vcpu_ioctl_run', 'el0t_64_sync', 'SVC #0 from EL0'])
      assert.ok(names.includes(name), `${name} is not in ${names.join(', ')}`);
    await clear(file);

    // No such file in the tree: by the end of its path, and shown as its instructions.
    const inAssembly = await setLine(`/elsewhere/${ENTRY}`, 24);
    assert.deepEqual([inAssembly.verified, inAssembly.line], [true, 24]);
    assert.deepEqual((await run()).hitBreakpointIds, [inAssembly.id]);
    stack = await frames();
    assert.deepEqual(
      stack.slice(0, 3).map((f) => f.name),
      ['__kvm_nvhe___guest_enter', '__kvm_vcpu_run', 'handle___kvm_vcpu_run'],
    );
    const top = stack[0]?.source;
    assert.equal(top?.path, undefined);
    assert.ok(top?.sourceReference);
    assert.ok(top.origin?.startsWith(`${path.join(tree, ENTRY)} was not found`), top.origin);
    const { content } = await client.ok<DP.SourceResponse['body']>('source', {
      sourceReference: top.sourceReference,
    });
    assert.match(content.split('\n')[(stack[0]?.line ?? 0) - 1] ?? '', /  bti c/);
    // The caller is in the tree, at the line of its call.
    assert.deepEqual([stack[2]?.source?.path, stack[2]?.line], [file, 30]);

    const caller = stack[1];
    assert.ok(caller);
    const [vcpu, ...others] = await argumentsOf(caller.id);
    assert.deepEqual([vcpu?.name, vcpu?.type, others.length], ['vcpu', 'struct kvm_vcpu *', 0]);
    assert.equal(await number('vcpu', caller.id), await number('x0', stack[0]?.id));
    const members = new Map((await children(vcpu?.variablesReference ?? 0)).map((v) => [v.name, v]));
    assert.equal(members.get('vcpu_id')?.value, '0');
    assert.equal(members.get('arch')?.type, 'struct kvm_vcpu_arch');
    const within = async (
      v: DP.Variable | undefined,
      ...path: string[]
    ): Promise<DP.Variable | undefined> => {
      const [name, ...rest] = path;
      if (name === undefined || !v) return v;
      const next = (await children(v.variablesReference)).find((child) => child.name === name);
      return within(next, ...rest);
    };
    const pc = await within(members.get('arch'), 'ctxt', 'regs', 'pc');
    assert.equal(BigInt(pc?.value.split(' ')[0] ?? -1), await number('ELR_EL2', stack[0]?.id));
    assert.equal(await number('vcpu->arch.ctxt.regs.pc', caller.id), 0x4000_0000n);

    // On by instructions: the last one at EL2 is the ERET, and the next stop is the guest's first.
    await clear(`/elsewhere/${ENTRY}`);
    const walked: string[] = [];
    let at = await step();
    for (; at.name === '__kvm_nvhe___guest_enter' && walked.length < 100; at = await step())
      walked.push(at.name);
    assert.ok(walked.length > 20, `${walked.length} instructions of __guest_enter`);
    assert.deepEqual([at.name, at.source?.path, at.line], ['_start', shop.path('guest.S'), 8]);
    assert.equal(at.instructionPointerReference, 'EL1,vmid=1:0x40000000');
    // It is not mapped yet: back at EL2 by an instruction abort, and through __guest_exit to the caller.
    const seen: string[] = [];
    while (at.name !== '__kvm_vcpu_run' && seen.length < 200) {
      at = await step();
      if (seen.at(-1) !== at.name) seen.push(at.name);
    }
    assert.ok(seen.includes('__kvm_nvhe_el1_trap') && seen.includes('__kvm_nvhe___guest_exit'), seen.join());
    assert.equal(await number('vcpu->arch.ctxt.regs.pc'), 0x4000_0000n);

    if (existsSync(`/proc/${client.child.pid}/status`)) {
      const status = readFileSync(`/proc/${client.child.pid}/status`, 'utf8');
      const peak = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
      assert.ok(peak < GIB, `the adapter took ${peak} bytes`);
    }
  });

  it('stops at lines of the guest in its virtual machine only, and names the frames there', async () => {
    await client.start(launch);
    const source = readFileSync(shop.path('guest.S'), 'utf8').split('\n');
    const line = source.findIndex((text) => text.includes('mrs     x0, midr_el1')) + 1;
    const made = await setLine(shop.path('guest.S'), line);
    // Stage 2 does not map it before it runs.
    assert.deepEqual([made.verified, made.line], [false, line]);
    assert.deepEqual((await run()).hitBreakpointIds, [made.id]);
    const [top] = await frames();
    assert.deepEqual([top?.name, top?.source?.path, top?.line], ['_start', shop.path('guest.S'), line]);
    assert.match(top?.instructionPointerReference ?? '', /^EL1,vmid=1:0x4000/);
    // What it is about to print, on its console.
    await client.ok('next', { threadId: 1 });
    assert.equal((await client.event<Stop>('stopped')).reason, 'step');
    assert.equal((await number('x0')) & 0xfff0n, 0xd070n);
    // kvmtest runs again: then that is machine 1, with another VMID and its memory elsewhere.
    assert.deepEqual((await run()).hitBreakpointIds, [made.id]);
    const [again] = await frames();
    assert.deepEqual([again?.name, again?.line], ['_start', line]);
    assert.match(again?.instructionPointerReference ?? '', /^EL1,vmid=2:0x4000/);
  });

  it('finds its lines and variables where KASLR has put the kernel, at EL2 with VHE', async () => {
    const append = String(launch['append']).replace('nokaslr ', '');
    await client.start({
      ...launch,
      append,
      cpu: 'cortex-a76',
      symbols: (launch['symbols'] as object[]).slice(0, 1),
    });
    const name = 'kvm_arch_vcpu_ioctl_run';
    const { breakpoints } = await client.ok<DP.SetBreakpointsResponse['body']>('setFunctionBreakpoints', {
      breakpoints: [{ name, condition: 'vcpu->vcpu_id == 0 && vcpu->kvm->created_vcpus == 2' }],
    });
    // At once, by its physical address: the kernel moves itself later.
    assert.deepEqual(
      breakpoints.map((b) => b.verified),
      [true],
    );
    const linked = BigInt(breakpoints[0]?.instructionReference ?? 0);
    assert.deepEqual((await run()).hitBreakpointIds, [breakpoints[0]?.id]);
    const stack = await frames();
    assert.deepEqual(
      stack.slice(0, 2).map((f) => f.name),
      [name, 'kvm_vcpu_ioctl'],
    );
    const reference = stack[0]?.instructionPointerReference ?? '';
    assert.match(reference, /^EL2:0xffff/);
    const slide = BigInt(reference.slice(4)) - linked;
    assert.ok(slide !== 0n && slide % 0x1_0000n === 0n, slide.toString(16));
    const [vcpu] = await argumentsOf(stack[0]?.id ?? 0);
    assert.deepEqual([vcpu?.name, vcpu?.type], ['vcpu', 'struct kvm_vcpu *']);
    assert.equal(await number('vcpu'), await number('x0'));
    // The second run of kvmtest is the first with two vcpus.
    assert.equal(await number('vcpu->kvm->created_vcpus'), 2n);
    // The line is that of the file in the tree that the path means, and back again.
    await client.ok('setFunctionBreakpoints', { breakpoints: [] });
    const made = await setLine(path.join(tree, ENTRY), 24);
    assert.deepEqual((await run()).hitBreakpointIds, [made.id]);
    assert.deepEqual(
      (await frames()).slice(0, 3).map((f) => f.name),
      ['__guest_enter', '__kvm_vcpu_run_vhe', '__kvm_vcpu_run'],
    );
  });
});
