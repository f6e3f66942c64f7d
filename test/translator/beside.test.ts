import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { buildSync } from 'esbuild';
import { translationThread } from '../../debug-adapter/translation/thread';
import { assemble } from '../../emulator/asm/assemble';
import { Computer } from '../../emulator/board/computer';
import type { RegionAnswer } from '../../emulator/core/region-maker';
import { RemoteMaker, type WorkerJob } from '../../emulator/core/region-worker';
import type { TranslatorOptions } from '../../emulator/core/translator';
import { a64Isa } from '../../emulator/isa/a64';

/** Counts for ever: `add1` is the instruction that the specs look at. */
const source = `
_start:	mov	x0, #0
loop:	eor	x1, x1, x0, ror #3
add1:	add	x0, x0, #1
	b	loop
`;

const made = assemble({ main: 'loop.S', read: () => source, isa: a64Isa });
const add1 = made.symbols.find((s) => s.name === 'add1')!.value;

/** Answers when the spec wants it. */
class Patient {
  readonly jobs: WorkerJob[] = [];
  private readonly answers: RegionAnswer[] = [];
  private maker: RemoteMaker | undefined;

  readonly options: Partial<TranslatorOptions> = {
    ...{ batch: 1, heat: 100 },
    worker: (features) => {
      this.maker = new RemoteMaker(a64Isa, features);
      return {
        send: (job) => this.jobs.push(job),
        receive: () => this.answers.shift(),
        close: () => undefined,
      };
    },
  };

  answer(): void {
    for (const job of this.jobs.splice(0)) this.answers.push(this.maker!.make(job));
  }
}

const boot = (translate: Partial<TranslatorOptions> | false): Computer =>
  new Computer({ cpus: 1, memoryBytes: 16 << 20, image: made.elf!, translate });

const regions = (c: Computer): number => c.machine.translator?.counts.regions ?? 0;

describe('regions that are made beside the machine', () => {
  const interpreted = boot(false);
  const pa = add1 - interpreted.machine.physical.ramBase;

  /** Two machines at the same instruction, the second with a job that is not answered. */
  function waiting(): { plain: Computer; beside: Computer; thread: Patient } {
    const thread = new Patient();
    const [plain, beside] = [boot(false), boot(thread.options)];
    for (const c of [plain, beside]) c.machine.run({ instructions: 10_000 });
    assert.equal(thread.jobs.length, 1);
    return { plain, beside, thread };
  }

  function goOn(a: Computer, b: Computer): void {
    for (const c of [a, b]) for (let i = 0; i < 4; i++) c.machine.run({ instructions: 100_000 });
    assert.equal(b.machine.hash(), a.machine.hash());
  }

  it('come into use when they are there, and change nothing', () => {
    const { plain, beside, thread } = waiting();
    goOn(plain, beside);
    assert.equal(regions(beside), 0);
    thread.answer();
    goOn(plain, beside);
    assert.equal(regions(beside), 1);
  });

  it('are thrown away where the code has changed in the meantime, and made again', () => {
    const { plain, beside, thread } = waiting();
    for (const c of [plain, beside]) c.machine.physical.poke(add1, Uint8Array.of(0x00, 0x08, 0x00, 0x91)); // add x0, x0, #2
    thread.answer();
    goOn(plain, beside);
    assert.equal(regions(beside), 0);
    thread.answer();
    goOn(plain, beside);
    assert.equal(regions(beside), 1);
  });

  it('are thrown away where a breakpoint has been set in the meantime', () => {
    const { plain, beside, thread } = waiting();
    for (const c of [plain, beside]) c.machine.predecode.addBreakpoint(Number(pa));
    thread.answer();
    for (const c of [plain, beside]) {
      c.machine.run({ instructions: 100_000 });
      assert.equal(c.machine.pc(0), add1);
    }
    assert.equal(regions(beside), 0);
  });

  it('come from a thread of their own', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'worldswitch-thread-'));
    const outfile = path.join(folder, 'translator.js');
    const entryPoints = [path.resolve(__dirname, '../../debug-adapter/translation/worker.ts')];
    buildSync({ entryPoints, outfile, bundle: true, platform: 'node', logLevel: 'error' });
    const [plain, beside] = [boot(false), boot({ ...translationThread(outfile), batch: 1 })];
    try {
      for (const end = Date.now() + 30_000; regions(beside) === 0 && Date.now() < end; await setTimeout(20))
        goOn(plain, beside);
      assert.equal(regions(beside), 1);
      goOn(plain, beside);
    } finally {
      beside.machine.translator?.close();
      rmSync(folder, { recursive: true });
    }
  });

  it('are made by the machine itself where there is no such thread', () => {
    assert.equal(translationThread(path.join(__dirname, 'no such bundle')), undefined);
  });
});
