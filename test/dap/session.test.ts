/** Sessions beyond the transcripts: console, trace, two CPUs, restart with a changed source, path and line formats. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { allHandlers } from '../../debug-adapter/adapter';
import { capabilities } from '../../debug-adapter/requests/capabilities';
import { DapClient } from './support/client';

/** Reads characters from the PL011 and sends each back with 1 added, until 'q'. */
const ECHO = `
_start:
	mov	x1, #0x9000000
wait:
	ldr	w2, [x1, #0x18]
	tbnz	w2, #4, wait
	ldr	w3, [x1]
	cmp	w3, #'q'
	b.eq	off
	add	w3, w3, #1
	str	w3, [x1]
	b	wait
off:
	ldr	x0, =0x84000008
	smc	#0
`;

/** CPU 0 starts CPU 1, and both count. */
const TWO = `
_start:
	ldr	x0, =0xc4000003
	mov	x1, #1
	adr	x2, second
	mov	x3, #7
	smc	#0
first:
	add	x20, x20, #1
	b	first
second:
	add	x21, x21, #1
	b	second
`;

const SAMPLE = path.resolve(__dirname, '../../hypervisor/arm64');

describe('a session', () => {
  let client: DapClient;
  let folder: string;
  const source = (text: string): string => {
    const file = path.join(folder, 'main.S');
    writeFileSync(file, text);
    return file;
  };
  beforeEach(() => {
    client = new DapClient();
    folder = mkdtempSync(path.join(tmpdir(), 'worldswitch-session-'));
  });
  afterEach(async () => {
    await client.close();
    rmSync(folder, { recursive: true, force: true });
    assert.equal(client.stderr, '');
  });
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const sent = (): string =>
    client
      .events('worldswitch/uart')
      .map((e) => Buffer.from(String(e['data']), 'base64').toString())
      .join('');

  it('knows in conditions at EL2 whose stage 2 is on', async () => {
    await client.launch({ program: SAMPLE });
    await client.ok('configurationDone');
    await client.event('stopped');
    await client.ok('setExceptionBreakpoints', {
      filters: [],
      filterOptions: [{ filterId: 'trap-exit', condition: 'vmid == 1' }],
    });
    await client.ok('continue', { threadId: 1 });
    await client.event('stopped');
    const { stackFrames } = (await client.ok('stackTrace', { threadId: 1 })) as {
      stackFrames?: { id: number; name: string }[];
    };
    assert.equal(stackFrames?.[0]?.name, 'enter_guest');
    const { result } = await client.ok('evaluate', { expression: 'vmid', frameId: stackFrames[0].id });
    assert.equal(result, '0x1');
  });

  it('runs without debugging: nothing stops the guest', async () => {
    await client.ok('initialize', { adapterID: 'worldswitch', pathFormat: 'path' });
    const launched = client.ok('launch', { program: SAMPLE, noDebug: true });
    await client.event('initialized');
    await client.ok('setExceptionBreakpoints', { filters: ['hvc'] });
    await client.ok('configurationDone');
    await launched;
    await client.event('terminated');
    assert.equal(client.log.filter((l) => l.message.event === 'stopped').length, 0);
  });

  it('carries the console both ways', async () => {
    await client.launch({ program: source(ECHO), memory: '16M', stopOnEntry: false });
    await client.ok('worldswitch/uart', { subscribe: true });
    await client.ok('configurationDone');
    await client.ok('worldswitch/uart', { data: base64('HAL') });
    while (sent().length < 3) await client.event('worldswitch/uart');
    assert.equal(sent(), 'IBM');
    assert.deepEqual(client.events('output'), []);
    await client.ok('worldswitch/uart', { subscribe: false });
    await client.ok('worldswitch/uart', { data: base64('a') });
    assert.equal((await client.event('output'))['output'], 'b');
    await client.ok('worldswitch/uart', { data: base64('q') });
    assert.deepEqual(await client.event('worldswitch/poweroff'), { reason: 'PSCI SYSTEM_OFF by CPU 0' });
    await client.event('terminated');
    assert.match(await client.refused('worldswitch/uart', { data: base64('x') }), /powered off/);
  });

  it('answers with the trace so far, and sends what comes', async () => {
    const hypercalls = `
_start:	adr x0, vectors
	msr vbar_el2, x0
	hvc #1
	hvc #2
	b off
	.balign 2048
vectors: .space 0x200
	eret
off:	ldr x0, =0x84000008
	smc #0
`;
    await client.start({ program: source(hypercalls), memory: '16M' });
    await client.ok('setExceptionBreakpoints', {
      filters: [],
      filterOptions: [{ filterId: 'hvc', condition: 'iss == 2' }],
    });
    await client.ok('continue', { threadId: 1 });
    await client.event('stopped');
    const { lines } = await client.ok<{ lines: string[] }>('worldswitch/trace', { last: 1000 });
    assert.equal(lines.length, 2);
    assert.match(
      lines[0] ?? '',
      /^ +\d+ {2}CPU 0 {2}EL2 -> EL2 {2}HVC #1 .*_start\+0x8 \(main\.S:4\) -> vectors\+0x200 \(main\.S:9\)$/,
    );
    assert.match(lines[1] ?? '', /EL2 -> EL2 {2}ERET {2}.*-> _start\+0xc \(main\.S:5\)$/);
    await client.ok('setExceptionBreakpoints', { filters: [] });
    await client.ok('continue', { threadId: 1 });
    await client.event('terminated');
    const live = client.events('worldswitch/trace').flatMap((e) => e['lines'] as string[]);
    assert.equal(live.length, 3);
    assert.match(live[0] ?? '', /HVC #2/);
    assert.match(live[2] ?? '', /firmware SYSTEM_OFF/);
  });

  it('has eight threads, each with its registers; in strict mode those are not zero at reset', async () => {
    await client.start({ program: source(TWO), memory: '16M', smp: 8, strict: true });
    const { threads } = (await client.ok('threads')) as { threads: { id: number; name: string }[] };
    assert.deepEqual(
      threads.map((t) => t.name),
      ['CPU 0: EL2', ...Array.from({ length: 7 }, (_, n) => `CPU ${n + 1}: off`)],
    );
    const { result } = (await client.ok('evaluate', { expression: 'x5', context: 'watch' })) as {
      result: string;
    };
    assert.match(result, /^0x[0-9a-f]{8,}/);
    await client.ok('evaluate', { expression: 'icc_pmr_el1 = 0xf0', context: 'repl' });
    const pmr = (await client.ok('evaluate', { expression: 'icc_pmr_el1', context: 'watch' })) as {
      result: string;
    };
    assert.match(pmr.result, /^0xf0/);
  });

  it('has a thread for each CPU, and steps one without moving the schedule', async () => {
    await client.start({ program: source(TWO), memory: '16M', smp: 2 });
    assert.deepEqual(await client.ok('threads'), {
      threads: [
        { id: 1, name: 'CPU 0: EL2' },
        { id: 2, name: 'CPU 1: off' },
      ],
    });
    assert.match(await client.refused('next', { threadId: 2 }), /CPU 1 is off/);
    await client.ok('setFunctionBreakpoints', { breakpoints: [{ name: 'second' }] });
    await client.ok('continue', { threadId: 1 });
    const stop = await client.event('stopped');
    assert.equal(stop['threadId'], 2);
    assert.deepEqual(((await client.ok('threads')) as { threads?: { name: string }[] }).threads?.[1], {
      id: 2,
      name: 'CPU 1: EL2',
    });
    await client.ok('setFunctionBreakpoints', { breakpoints: [] });
    for (const threadId of [2, 1, 2]) {
      await client.ok('next', { threadId });
      const step = await client.event('stopped');
      assert.equal(step['reason'], 'step');
      assert.equal(step['threadId'], threadId);
    }
  });

  it('starts again with the source as it is now, and keeps running the old one if that is wrong', async () => {
    const file = source('_start:\n\tnop\n\tnop\nhere:\n\tb here\n');
    await client.start({ program: file, memory: '16M' });
    const set = await client.ok('setBreakpoints', { source: { path: file }, breakpoints: [{ line: 5 }] });
    assert.equal((set['breakpoints'] as { verified: boolean }[])[0]?.verified, true);
    writeFileSync(file, '_start:\n\twrong\n');
    assert.match(await client.refused('restart', {}), /main\.S:2:/);
    await client.ok('continue', { threadId: 1 });
    assert.equal((await client.event('stopped'))['reason'], 'breakpoint');
    writeFileSync(file, '_start:\n\tnop\n\tnop\n\tnop\n\tmov x0, #1\n\tb .\n');
    await client.ok('restart', {});
    assert.equal((await client.event('stopped'))['reason'], 'entry');
    await client.ok('continue', { threadId: 1 });
    assert.equal((await client.event('stopped'))['reason'], 'breakpoint');
  });

  it('speaks URIs and lines from 0 if the client does', async () => {
    const file = source('_start:\n\tnop\n\tnop\n\tb .\n');
    await client.ok('initialize', { adapterID: 'worldswitch', pathFormat: 'uri', linesStartAt1: false });
    await client.ok('launch', { program: file, memory: '16M' });
    await client.event('initialized');
    const set = await client.ok('setBreakpoints', {
      source: { path: pathToFileURL(file).href },
      breakpoints: [{ line: 2 }],
    });
    const [b] = set['breakpoints'] as { verified: boolean; line: number }[];
    assert.equal(b?.verified, true);
    assert.equal(b.line, 2);
  });

  it('takes cancel for a request that is over', async () => {
    await client.ok('initialize', {});
    await client.ok('cancel', { requestId: 1 });
    await client.ok('cancel', {});
  });

  it('writes the trace to the Debug Console if launch.json says so', async () => {
    const off = '_start:\n\tldr x0, =0x84000008\n\tsmc #0\n';
    await client.launch({ program: source(off), memory: '16M', stopOnEntry: false, trace: true });
    await client.ok('configurationDone');
    await client.event('terminated');
    const text = client
      .events('output')
      .map((e) => String(e['output']))
      .join('');
    assert.match(text, /SMC #0 firmware SYSTEM_OFF/);
  });

  it('boots again when the guest resets its machine', async () => {
    // Reset clears everything, so this guest resets for ever; the session must still answer.
    await client.launch({
      program: source('_start:\n\tldr x0, =0x84000009\n\tsmc #0\n'),
      memory: '16M',
      stopOnEntry: false,
    });
    await client.ok('configurationDone');
    assert.match(String((await client.event('output'))['output']), /reset the machine: PSCI SYSTEM_RESET/);
    await client.ok('disconnect');
  });
});

describe('capabilities', () => {
  it('are claimed only where a handler stands', () => {
    const behind: Readonly<Record<string, string>> = {
      supportsConfigurationDoneRequest: 'configurationDone',
      supportsFunctionBreakpoints: 'setFunctionBreakpoints',
      supportsInstructionBreakpoints: 'setInstructionBreakpoints',
      supportsDataBreakpoints: 'setDataBreakpoints',
      supportsDataBreakpointBytes: 'dataBreakpointInfo',
      supportsBreakpointLocationsRequest: 'breakpointLocations',
      supportsExceptionFilterOptions: 'setExceptionBreakpoints',
      supportsExceptionInfoRequest: 'exceptionInfo',
      supportsRestartRequest: 'restart',
      supportsTerminateRequest: 'terminate',
      supportsCancelRequest: 'cancel',
      supportsSetVariable: 'setVariable',
      supportsSetExpression: 'setExpression',
      supportsEvaluateForHovers: 'evaluate',
      supportsCompletionsRequest: 'completions',
      supportsReadMemoryRequest: 'readMemory',
      supportsWriteMemoryRequest: 'writeMemory',
      supportsDisassembleRequest: 'disassemble',
      supportsLoadedSourcesRequest: 'loadedSources',
      supportsModulesRequest: 'modules',
      supportsSteppingGranularity: 'next',
      supportsConditionalBreakpoints: 'setBreakpoints',
      supportsHitConditionalBreakpoints: 'setBreakpoints',
      supportsLogPoints: 'setBreakpoints',
      supportsDelayedStackTraceLoading: 'stackTrace',
      supportsValueFormattingOptions: 'variables',
      supportsClipboardContext: 'evaluate',
    };
    for (const [name, value] of Object.entries(capabilities)) {
      if (value !== true) continue;
      const command = behind[name];
      assert.ok(command !== undefined, `${name}: name its handler here`);
      assert.ok(command in allHandlers, `${name} is claimed without a handler for ${command}`);
    }
  });
});
