/** Bad input: each case gives one clear error with what to do, and the adapter lives on. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { assemble } from '../../emulator/asm/assemble';
import { a64Isa } from '../../emulator/isa/a64';
import { DapClient, type Message } from './support/client';

const good = '_start:\n\tnop\n1:\tb 1b\n';

describe('bad input', () => {
  let client: DapClient;
  let folder: string;

  beforeEach(() => {
    client = new DapClient();
    folder = mkdtempSync(path.join(tmpdir(), 'worldswitch-bad-'));
  });
  afterEach(async () => {
    await client.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const write = (name: string, content: string | Uint8Array): string => {
    const file = path.join(folder, name);
    writeFileSync(file, content);
    return file;
  };
  const elf = (): Uint8Array => {
    const made = assemble({ main: 'a.S', read: () => good, isa: a64Isa });
    assert.ok(made.elf);
    return made.elf;
  };
  /** The sentence is one sentence for people, and a good launch works afterwards. */
  async function refusedLaunch(config: Record<string, unknown>): Promise<string> {
    await client.ok('initialize', { adapterID: 'worldswitch' });
    const sentence = await client.refused('launch', { memory: '16M', ...config });
    assert.doesNotMatch(sentence, /\n|undefined|\[object|    at /);
    await client.ok('launch', { program: write('good.S', good), memory: '16M' });
    await client.event('initialized');
    await client.ok('configurationDone');
    assert.equal((await client.event('stopped'))['reason'], 'entry');
    return sentence;
  }

  it('a program that does not exist', async () => {
    assert.match(
      await refusedLaunch({ program: path.join(folder, 'none.elf') }),
      /does not exist: correct its path/,
    );
  });

  it('no program', async () => {
    assert.match(await refusedLaunch({}), /launch\.json has no "program"/);
  });

  it('a wrong type in launch.json', async () => {
    assert.match(await refusedLaunch({ program: 'x', smp: 'two' }), /"smp" in launch\.json must be/);
  });

  it('an unknown CPU', async () => {
    assert.match(await refusedLaunch({ program: 'x', cpu: 'cortex-x99' }), /"cpu".*"cortex-a57"/);
  });

  it('a truncated ELF', async () => {
    const whole = elf();
    for (const length of [5, 40, 100]) {
      const sentence = await refusedLaunch({ program: write('cut.elf', whole.subarray(0, length)) });
      assert.match(sentence, /cut\.elf.*(build or copy it again|damaged|cut)/, `${length} bytes`);
      await client.close();
      client = new DapClient();
    }
  });

  it('an ELF of another architecture', async () => {
    const other = elf().slice();
    other[18] = 62;
    assert.match(await refusedLaunch({ program: write('x86.elf', other) }), /x86-64.*AArch64/);
  });

  it('a hostile ELF: sizes and offsets beyond everything', async () => {
    const hostile = elf().slice();
    new DataView(hostile.buffer).setBigUint64(32, 0xffff_ffff_ffff_fff0n, true);
    assert.match(await refusedLaunch({ program: write('hostile.elf', hostile) }), /hostile\.elf/);
  });

  it('an empty file, and one that does not fit into RAM', async () => {
    assert.match(await refusedLaunch({ program: write('empty.bin', '') }), /empty file/);
    await client.close();
    client = new DapClient();
    const big = write('big.bin', new Uint8Array(2 << 20));
    assert.match(await refusedLaunch({ program: big, memory: '1M' }), /does not fit.*raise "memory"/);
  });

  it('a folder without main.S: the candidates are named', async () => {
    const sub = path.join(folder, 'sources');
    mkdirSync(sub);
    writeFileSync(path.join(sub, 'boot.S'), good);
    assert.match(await refusedLaunch({ program: sub }), /has no main\.S.*boot\.S/);
  });

  it('a source without code', async () => {
    assert.match(await refusedLaunch({ program: write('empty.S', '// nothing yet\n') }), /has no code/);
  });

  it('assembly errors: the first as the message, all as diagnostics', async () => {
    const file = write('wrong.S', '_start:\n\tmov x0, #1\n\tfoo x1\n\tadd x0, x1, w2, x3, x4\n');
    const sentence = await refusedLaunch({ program: file });
    assert.ok(sentence.startsWith(`${file}:3:`), sentence);
    const [event] = client.events('worldswitch/diagnostics');
    const items = event?.['items'] as { file: string; line: number; severity: string }[];
    assert.deepEqual(
      items.map((i) => [i.file, i.line, i.severity]),
      [
        [file, 3, 'error'],
        [file, 4, 'error'],
      ],
    );
  });

  it('a symbol file that is none', async () => {
    const symbols = [{ file: write('no.elf', 'hello') }];
    assert.match(await refusedLaunch({ program: write('p.S', good), symbols }), /no\.elf is not an ELF file/);
  });

  it('a program that jumps into nothing stops with an explanation', async () => {
    const program = write('jump.S', '_start:\n\tmov x0, #0x100\n\tbr x0\n');
    await client.start({ program, memory: '16M' });
    await client.ok('continue', { threadId: 1 });
    const stop = await client.event('stopped');
    assert.equal(stop['reason'], 'exception');
    assert.match(String(stop['text']), /again and again/);
    const info = await client.ok('exceptionInfo', { threadId: 1 });
    assert.equal(info['exceptionId'], 'an exception loop');
    await client.ok('restart', {});
  });
});

describe('the protocol', () => {
  let client: DapClient;
  beforeEach(() => {
    client = new DapClient();
  });
  afterEach(() => client.close());

  const answer = async (send: () => void): Promise<Message> => {
    const before = client.log.length;
    send();
    for (let i = 0; i < 6000; i++) {
      const found = client.log.slice(before).find((l) => l.message.type === 'response');
      if (found) return found.message;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error('no answer');
  };

  it('answers malformed JSON, with the number of the request if it can be read', async () => {
    const text = '{"seq": 42, "type": "request", "command": "threads", oops}';
    const m = await answer(() => client.raw(`Content-Length: ${text.length}\r\n\r\n${text}`));
    assert.equal(m.success, false);
    assert.equal(m.request_seq, 42);
    assert.equal(m.command, 'threads');
    assert.match(m.body?.error?.format ?? '', /no JSON/);
    await client.ok('initialize', { adapterID: 'worldswitch' });
  });

  it('answers JSON that is no request', async () => {
    for (const text of ['[]', '7', 'null', '{"type":"request"}', '{"seq":1,"type":"request","command":5}']) {
      const m = await answer(() => client.raw(`Content-Length: ${text.length}\r\n\r\n${text}`));
      assert.equal(m.success, false, text);
      assert.match(m.body?.error?.format ?? '', /no DAP request/);
    }
    await client.ok('initialize', { adapterID: 'worldswitch' });
  });

  it('accepts initialize without pathFormat, and only once', async () => {
    await client.ok('initialize', {});
    assert.match(await client.refused('initialize', {}), /initialized already/);
  });

  it('refuses requests out of order', async () => {
    assert.match(await client.refused('launch', { program: 'x' }), /send "initialize" first/);
    await client.ok('initialize', {});
    for (const [command, args] of [
      ['continue', { threadId: 1 }],
      ['setBreakpoints', { source: { path: 'x' }, breakpoints: [] }],
      ['configurationDone', {}],
      ['next', { threadId: 1 }],
      ['exceptionInfo', { threadId: 1 }],
      ['restart', {}],
      ['worldswitch/trace', {}],
    ] as const) {
      assert.match(await client.refused(command, args), /send "launch" first/, command);
    }
    assert.deepEqual(await client.ok('threads'), { threads: [] });
  });

  it('refuses unknown requests, also those named like object properties', async () => {
    await client.ok('initialize', {});
    for (const command of ['fly', 'toString', '__proto__', 'constructor'])
      assert.match(await client.refused(command), new RegExp(`no request "${command}"`));
  });

  it('refuses arguments that are no object, and bad ones, in one sentence', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'worldswitch-bad-'));
    writeFileSync(path.join(folder, 'main.S'), good);
    await client.start({ program: folder, memory: '16M' });
    rmSync(folder, { recursive: true, force: true });
    const bad: readonly (readonly [string, unknown, RegExp])[] = [
      ['next', 7, /no object/],
      ['next', {}, /no thread undefined.*threads 1 to 1/],
      ['next', { threadId: 9 }, /no thread 9/],
      ['setBreakpoints', {}, /path of a source file/],
      ['setBreakpoints', { source: { path: 'x' }, breakpoints: [{}] }, /needs a line number/],
      ['setFunctionBreakpoints', {}, /needs a list/],
      ['setFunctionBreakpoints', { breakpoints: [{ name: 1 }] }, /needs a name/],
      ['setInstructionBreakpoints', { breakpoints: [{}] }, /instructionReference/],
      ['setExceptionBreakpoints', {}, /needs a list/],
      ['worldswitch/uart', {}, /needs "data"/],
      ['worldswitch/uart', { data: '*' }, /base64/],
      ['worldswitch/trace', { last: -1 }, /"last"/],
      ['exceptionInfo', { threadId: 1 }, /has not stopped on an exception/],
      ['launch', { program: 'x' }, /launched already/],
      ['configurationDone', {}, /configured already/],
    ];
    for (const [command, args, expected] of bad)
      assert.match(await client.refused(command, args), expected, `${command} ${JSON.stringify(args)}`);
    assert.equal(client.stderr, '');
  });

  it('refuses what needs a stopped guest while it runs, and pauses soon', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'worldswitch-run-'));
    writeFileSync(path.join(folder, 'main.S'), good);
    await client.start({ program: folder, memory: '16M' });
    rmSync(folder, { recursive: true, force: true });
    await client.ok('continue', { threadId: 1 });
    assert.match(await client.refused('next', { threadId: 1 }), /the guest is running: pause it first/);
    await client.ok('setExceptionBreakpoints', { filters: ['hvc'] });
    await client.ok('threads');
    const before = performance.now();
    await client.ok('pause', { threadId: 1 });
    const stop = await client.event('stopped');
    assert.ok(performance.now() - before < 1000, 'pause');
    assert.equal(stop['reason'], 'pause');
    assert.equal(stop['allThreadsStopped'], true);
  });

  it('ends with its client, and with disconnect', async () => {
    await client.ok('initialize', {});
    await client.ok('disconnect');
    assert.equal(await client.close(), 0);
    const second = new DapClient();
    await second.ok('initialize', {});
    assert.equal(await second.close(), 0);
  });
});
