/** The reference hypervisor's vcpus and its console over real stdio: several machines on several CPUs. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { DapClient } from './support/client';

const stories = path.resolve(__dirname, '../../hypervisor/arm64/stories');

interface Named {
  readonly id: number;
  readonly name: string;
  readonly variablesReference: number;
  readonly value: string;
  readonly instructionPointerReference?: string;
}

describe('DAP on the SMP story', () => {
  let client: DapClient;
  const list = async <T = Named>(command: string, args: unknown, body: string): Promise<T[]> =>
    (await client.ok(command, args))[body] as T[];
  const exit = async (): Promise<void> => {
    await client.ok('continue', { threadId: 1 });
    await client.event('stopped');
  };

  before(async () => {
    client = new DapClient();
    await client.start({ program: path.join(stories, 'smp.S'), smp: 4 });
    await client.ok('setExceptionBreakpoints', { filters: ['guest-exit'] });
    // Until both machines have all of their vcpus, and some have been left in the middle of their work.
    for (let n = 0; n < 400; n++) {
      await exit();
      if (n < 100) continue;
      const waiting = (await list('threads', {}, 'threads')).filter((t) => t.id > 1000);
      if (waiting.length >= 3) break;
    }
  });
  after(async () => {
    await client.close();
    assert.equal(client.stderr, '');
  });

  it('has a thread with a call stack for each vcpu that does not run', async () => {
    const threads = await list('threads', {}, 'threads');
    assert.equal(threads.filter((t) => t.name.startsWith('CPU ')).length, 4);
    const waiting = threads.filter((t) => t.id > 1000);
    assert.ok(waiting.length >= 3, JSON.stringify(threads));
    let deepest = 0;
    for (const { id, name } of waiting) {
      const number = /^vcpu (\d+\.\d+) \(not running\)$/.exec(name)?.[1];
      assert.ok(number !== undefined, name);
      const frames = await list('stackTrace', { threadId: id }, 'stackFrames');
      deepest = Math.max(deepest, frames.length);
      for (const f of frames)
        assert.match(f.instructionPointerReference ?? '', new RegExp(`^EL1,vmid=\\d+,vcpu=${number}:0x`));
      if (frames.length === 0) continue;
      const scopes = await list('scopes', { frameId: frames[0]?.id }, 'scopes');
      assert.ok(scopes.some((s) => s.name === `vcpu ${number}`));
      assert.match(
        await client.refused('continue', { threadId: id }),
        new RegExp(`^vcpu ${number} waits in memory`),
      );
    }
    assert.ok(deepest >= 2, `the deepest stack has ${deepest} frames`);
  });

  it('shows all vcpus of both machines, each once, and the CPU that runs it', async () => {
    const stopped = (await list('threads', {}, 'threads')).length;
    const [frame] = await list('stackTrace', { threadId: 1 }, 'stackFrames');
    const scopes = await list('scopes', { frameId: frame?.id }, 'scopes');
    const reference = scopes.find((s) => s.name === 'hyp context')?.variablesReference;
    const items = await list('variables', { variablesReference: reference }, 'variables');
    assert.deepEqual(
      items.map((i) => i.name).filter((n) => n.startsWith('CPU ')),
      ['CPU 0', 'CPU 1', 'CPU 2', 'CPU 3'],
    );
    const vcpus: Named[] = [];
    for (const machine of items.filter((i) => i.name.startsWith('VM ')))
      vcpus.push(
        ...(await list('variables', { variablesReference: machine.variablesReference }, 'variables')).filter(
          (v) => v.name.startsWith('vcpu '),
        ),
      );
    assert.equal(new Set(vcpus.map((v) => v.name)).size, vcpus.length);
    const running = vcpus.filter((v) => / CPU \d/.test(v.value) && v.value.startsWith('runs on'));
    assert.equal(vcpus.length - running.length, stopped - 4);
    for (const v of running) {
      const cpu = /runs on CPU (\d)/.exec(v.value)?.[1];
      assert.equal(items.find((i) => i.name === `CPU ${cpu}`)?.value, `runs ${v.name}`);
    }
  });

  it('answers the commands of the console', async () => {
    const say = async (expression: string): Promise<string> =>
      String((await client.ok('evaluate', { expression, context: 'repl' }))['result']);
    assert.match(await say('why'), /taken to EL2/);
    assert.match(
      await say('walk EL1:ELR_EL2'),
      /\n {2}PA 0x[0-9a-f]+, Normal write-back, a mapping of 4 KiB\n/,
    );
    assert.equal((await say('trace 5')).split('\n').length, 5);
    const targets = await list<{ label: string }>('completions', { text: 'wa', column: 3 }, 'targets');
    assert.ok(targets.some((t) => t.label === 'walk'));
    assert.match(
      await client.refused('evaluate', { expression: 'walk', context: 'repl' }),
      /no address to walk/,
    );
  });
});
