/**
 * What a person looks at in a world switch, over real stdio. After an intended change:
 * UPDATE_GOLDEN=1 npx mocha test/dap/inspection.test.ts, and read the difference.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import { DapClient, type Body } from './support/client';
import { checkTranscript, type Replacements } from './support/transcript';

const sample = path.resolve(__dirname, '../../hypervisor/arm64');
const replacements: Replacements = [[sample, '$SAMPLE']];

interface Variable {
  readonly name: string;
  readonly variablesReference: number;
}

describe('DAP inspection of the sample', () => {
  let client: DapClient;
  beforeEach(async () => {
    client = new DapClient();
    await client.ok('initialize', {
      adapterID: 'worldswitch',
      pathFormat: 'path',
      supportsInvalidatedEvent: true,
      supportsMemoryEvent: true,
    });
    await client.ok('launch', { program: sample });
    await client.event('initialized');
    await client.ok('configurationDone');
    await client.event('stopped');
  });
  afterEach(async () => {
    await client.close();
    assert.equal(client.stderr, '');
  });

  const stopAt = async (...filters: string[]): Promise<void> => {
    await client.ok('setExceptionBreakpoints', { filters });
    await client.ok('continue', { threadId: 1 });
    await client.event('stopped');
  };
  const list = async (body: Promise<Body>, name: string): Promise<Variable[]> =>
    (await body)[name] as Variable[];
  const open = async (variablesReference: number, ...names: string[]): Promise<void> => {
    const all = await list(client.ok('variables', { variablesReference }), 'variables');
    const [first, ...rest] = names;
    const next = all.find((v) => v.name === first);
    if (first !== undefined) assert.ok(next, `no ${first}`);
    if (next) await open(next.variablesReference, ...rest);
  };
  const topFrame = async (): Promise<number> => {
    const { stackFrames } = await client.ok('stackTrace', { threadId: 1 });
    return (stackFrames as { id: number }[])[0]?.id ?? 0;
  };

  it('shows stack, scopes, registers, syndrome and vcpu when the guest has trapped', async () => {
    await stopAt('guest-entry');
    await topFrame();
    await stopAt('guest-exit');
    const frameId = await topFrame();
    const scopes = await list(client.ok('scopes', { frameId }), 'scopes');
    const scope = (name: string): number => scopes.find((s) => s.name === name)?.variablesReference ?? 0;
    await open(scope('Registers'));
    await open(scope('PSTATE'));
    await open(scope('EL2 system registers'), 'Trap control', 'HCR_EL2');
    await open(scope('EL1 system registers'), 'Translation', 'TCR_EL1');
    await open(scope('Syndrome'), 'ESR_EL2');
    await open(scope('Current vcpu'), 'vm');
    await open(scope('Host context'));
    await client.ok('exceptionInfo', { threadId: 1 });
    await client.ok('disconnect');
    checkTranscript(client, 'inspection-world-switch', replacements);
  });

  it('evaluates, changes, reads memory and disassembles', async () => {
    await stopAt('guest-entry');
    const frameId = await topFrame();
    for (const expression of [
      'x0',
      'HCR_EL2.VM',
      'vcpu.ctxt.pstate',
      'guest_start',
      '*(u32*)pc',
      'vmid == 1',
    ])
      await client.ok('evaluate', { expression, frameId, context: 'watch' });
    await client.ok('evaluate', { expression: 'x9 = 0x8000000000000001', frameId, context: 'repl' });
    await client.event('invalidated');
    await client.refused('evaluate', { expression: 'HRC_EL2', frameId, context: 'hover' });
    await client.ok('completions', { text: 'HCR_EL2.T', column: 10, frameId });
    const scopes = await list(client.ok('scopes', { frameId }), 'scopes');
    const registers = scopes[0]?.variablesReference ?? 0;
    await client.ok('setVariable', { variablesReference: registers, name: 'x10', value: 'x9 + 1' });
    await client.event('invalidated');
    await client.refused('setVariable', { variablesReference: registers, name: 'x10', value: 'x99' });
    await client.ok('setExpression', { expression: 'SPSR_EL1.I', value: '1', frameId });
    await client.event('invalidated');
    await client.ok('readMemory', { memoryReference: 'EL1,vmid=1:0x400a0000', count: 16 });
    await client.ok('readMemory', { memoryReference: 'PA:0x3ffffff8', count: 16 });
    await client.ok('writeMemory', { memoryReference: 'IPA(1):0x400a0ff0', data: 'AQIDBA==' });
    await client.event('memory');
    await client.refused('writeMemory', { memoryReference: 'PA:0x9000000', data: 'AQ==' });
    await client.ok('disassemble', {
      memoryReference: 'EL1,vmid=1:0x400a0000',
      instructionOffset: -1,
      instructionCount: 3,
      resolveSymbols: true,
    });
    await client.ok('modules', {});
    await client.ok('stepIn', { threadId: 1 });
    await client.event('stopped');
    await client.refused('scopes', { frameId });
    await client.refused('variables', { variablesReference: registers });
    await client.ok('disconnect');
    checkTranscript(client, 'inspection-changes', replacements);
  });
});
