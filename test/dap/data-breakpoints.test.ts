/** Data breakpoints over real stdio, as VS Code sets them: from a variable, from an address, again in the next session. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DapClient } from './support/client';

const PROGRAM = `
_start:
	adr	x1, counter
	mov	x0, #0
again:
	add	x0, x0, #1
	str	x0, [x1]
	ldr	x2, [x1]
	cmp	x0, #4
	b.ne	again
	ldr	x0, =0x84000008
	smc	#0
	.balign	8
counter: .quad	0
`;

describe('data breakpoints over DAP', () => {
  let client: DapClient;
  let folder: string;
  beforeEach(() => {
    client = new DapClient();
    folder = mkdtempSync(path.join(tmpdir(), 'worldswitch-data-'));
    writeFileSync(path.join(folder, 'main.S'), PROGRAM);
  });
  afterEach(async () => {
    await client.close();
    rmSync(folder, { recursive: true, force: true });
    assert.equal(client.stderr, '');
  });

  type Info = { dataId: string | null; description: string; accessTypes?: string[]; canPersist?: boolean };
  const info = (args: object): Promise<Info> => client.ok<Info>('dataBreakpointInfo', args);
  const set = async (...breakpoints: object[]): Promise<Record<string, unknown>[]> =>
    (await client.ok('setDataBreakpoints', { breakpoints }))['breakpoints'] as Record<string, unknown>[];
  const resume = async (): Promise<Record<string, unknown>> => {
    await client.ok('continue', { threadId: 1 });
    return client.event('stopped');
  };

  it('stop, name the writer in all places that VS Code shows, and can be changed', async () => {
    await client.launch({ program: path.join(folder, 'main.S') });
    await client.ok('configurationDone');
    await client.event('stopped');
    const found = await info({ name: 'counter' });
    assert.match(found.description, /^counter \(8 bytes, EL2:(0x4\w+) -> PA \1\)$/);
    assert.deepEqual(found.accessTypes, ['read', 'write', 'readWrite']);
    assert.equal(found.canPersist, true);
    const [b] = await set({
      dataId: found.dataId,
      accessType: 'write',
      condition: 'new >= 2',
      hitCondition: '2',
    });
    assert.deepEqual([b?.['verified'], typeof b?.['id']], [true, 'number']);
    const stopped = await resume();
    assert.equal(stopped['reason'], 'data breakpoint');
    assert.match(
      String(stopped['description']),
      /^Paused on write of counter, written by again\+0x4 \(.*main\.S:7\)$/,
    );
    assert.match(String(stopped['text']), /^counter 0x2 -> 0x3: written by again\+0x4 .* in EL2 on CPU 0/);
    assert.deepEqual(stopped['hitBreakpointIds'], [b?.['id']]);
    const said = client.log.some(
      ({ message }) =>
        message.event === 'output' && String(message.body?.['output']).includes('counter 0x2 -> 0x3'),
    );
    assert.ok(said, 'a line in the Debug Console');
    const why = await client.ok('exceptionInfo', { threadId: 1 });
    assert.match(String(why['description']), /counter 0x2 -> 0x3/);
    // The next one is a read; the breakpoint before is gone.
    await set({ dataId: found.dataId, accessType: 'read' });
    assert.match(String((await resume())['description']), /^Paused on read of counter, read by again\+0x8 /);
    assert.deepEqual(await set(), []);
    await client.ok('continue', { threadId: 1 });
    await client.event('terminated');
  });

  it('are taken up by a dataId of another session, before anything has run, and from a variable', async () => {
    await client.launch({ program: path.join(folder, 'main.S') });
    const found = await info({ name: '0x40080000', asAddress: true, bytes: 64 });
    assert.equal(found.dataId, 'EL2:0x40080000+64');
    const [first, second] = await set(
      { dataId: found.dataId, accessType: 'readWrite', condition: 'pc == again + 4' },
      { dataId: 'EL1,vmid=2:0x1000+8 old.session', accessType: 'write' },
    );
    assert.equal(first?.['verified'], true);
    assert.equal(second?.['verified'], false);
    assert.match(String(second?.['message']), /has no memory yet .* binds when it has/);
    await client.ok('configurationDone');
    await client.event('stopped');
    assert.match(String((await resume())['description']), /by again\+0x4 /);
    // The register scope has a pointer, but no memory.
    const { stackFrames } = await client.ok('stackTrace', { threadId: 1 });
    const frameId = (stackFrames as { id: number }[])[0]?.id;
    const { scopes } = await client.ok('scopes', { frameId });
    const { variablesReference } = (scopes as { variablesReference: number }[])[0]!;
    const { variables } = await client.ok('variables', { variablesReference });
    const [register] = variables as { name: string }[];
    const refused = await info({ name: register?.name, variablesReference });
    assert.equal(refused.dataId, null);
    assert.match(refused.description, /is no piece of memory: choose/);
    assert.equal(
      (await info({ name: '*(u32*)x1', frameId })).description.startsWith('*(u32*)x1 (4 bytes, '),
      true,
    );
  });

  it('answer bad input with a sentence', async () => {
    await client.launch({ program: path.join(folder, 'main.S') });
    for (const args of [
      {},
      { breakpoints: 5 },
      { breakpoints: [{}] },
      { breakpoints: [{ dataId: 'x', accessType: 'peek' }] },
    ])
      await client.refused('setDataBreakpoints', args);
    const [bad] = await set({ dataId: 'x' });
    assert.deepEqual([bad?.['verified'], bad?.['reason']], [false, 'failed']);
    for (const args of [
      {},
      { name: 5 },
      { name: 'x', asAddress: true },
      { name: 'PA:0x40080000', bytes: -1 },
    ])
      assert.equal((await info(args)).dataId, null);
  });
});
