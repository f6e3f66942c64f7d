/**
 * Whole sessions on the sample hypervisor, over real stdio. After an intended change:
 * UPDATE_GOLDEN=1 npx mocha test/dap/transcripts.test.ts, and read the difference.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import assert from 'node:assert/strict';
import { DapClient } from './support/client';
import { checkTranscript, type Replacements } from './support/transcript';

const sample = path.resolve(__dirname, '../../hypervisor/arm64');
const replacements: Replacements = [[sample, '$SAMPLE']];
const file = (name: string): string => path.join(sample, name);

/** The line of the sample that has a text, from 1: the transcripts do not depend on where it is. */
function lineOf(name: string, text: string): number {
  const at = readFileSync(file(name), 'utf8')
    .split('\n')
    .findIndex((l) => l.includes(text));
  assert.ok(at >= 0, `${name} has no line with ${text}`);
  return at + 1;
}

describe('DAP sessions on the sample', () => {
  let client: DapClient;
  beforeEach(() => {
    client = new DapClient();
  });
  afterEach(async () => {
    await client.close();
    assert.equal(client.stderr, '');
  });

  const thread = { threadId: 1 };
  const resume = async (command = 'continue', args: object = {}): Promise<void> => {
    await client.ok(command, { ...thread, ...args });
    await client.event('stopped');
    await client.ok('threads');
  };

  it('stops on entry and at a breakpoint, and steps over the switch to EL2 addresses', async () => {
    await client.launch({ program: sample, stopOnEntry: true });
    const line = lineOf('hyp-init.S', 'msr	sctlr_el2, x0');
    await client.ok('setBreakpoints', { source: { path: file('hyp-init.S') }, breakpoints: [{ line }] });
    await client.ok('setExceptionBreakpoints', { filters: [] });
    await client.ok('configurationDone');
    await client.event('stopped');
    await client.ok('threads');
    await resume();
    for (let i = 0; i < 3; i++) await resume('next');
    await resume('stepIn', { granularity: 'instruction' });
    await client.ok('disconnect');
    checkTranscript(client, 'breakpoint-and-steps', replacements);
  });

  it('follows a guest by exception filters', async () => {
    await client.launch({ program: sample });
    await client.ok('configurationDone');
    await client.event('stopped');
    await client.ok('setExceptionBreakpoints', { filters: ['guest-entry'] });
    await resume();
    await client.ok('setExceptionBreakpoints', { filters: ['hvc', 'trap-entry', 'guest-exit', 'trap-exit'] });
    await resume();
    await resume('stepIn');
    await resume();
    await client.ok('exceptionInfo', thread);
    await client.ok('setExceptionBreakpoints', {
      filters: [],
      filterOptions: [{ filterId: 'stage2-fault', condition: 'ipa != 0x9000000' }],
    });
    await resume();
    await client.ok('exceptionInfo', thread);
    await client.ok('setExceptionBreakpoints', { filters: ['irq'] });
    await resume();
    await client.ok('worldswitch/trace', { last: 2, subscribe: false });
    await client.ok('disconnect');
    checkTranscript(client, 'exception-filters', replacements);
  });

  it('binds function and instruction breakpoints, with conditions, in the guest too', async () => {
    await client.launch({ program: sample });
    await client.ok('setFunctionBreakpoints', {
      breakpoints: [{ name: 'guest_puts', condition: 'vmid == 1' }, { name: 'no_such_function' }],
    });
    await client.ok('setInstructionBreakpoints', {
      breakpoints: [{ instructionReference: 'PA:0x10' }, { instructionReference: '0x40080000', offset: 2 }],
    });
    await client.ok('setExceptionBreakpoints', { filters: ['no-such-filter'] });
    await client.ok('breakpointLocations', { source: { path: file('hyp-init.S') }, line: 15, endLine: 22 });
    await client.ok('configurationDone');
    await client.event('stopped');
    await resume();
    await resume('stepOut');
    await client.ok('disconnect');
    checkTranscript(client, 'kinds-of-breakpoints', replacements);
  });

  it('runs to the power-off, restarts and terminates', async () => {
    await client.launch({ program: sample, stopOnEntry: false });
    await client.ok('configurationDone');
    await client.event('terminated');
    await client.refused('continue', thread);
    await client.ok('restart', {});
    await client.event('terminated');
    await client.ok('terminate');
    await client.event('terminated');
    await client.ok('disconnect');
    checkTranscript(client, 'power-off-and-restart', replacements);
  });
});
