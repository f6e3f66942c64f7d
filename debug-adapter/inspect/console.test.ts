import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { UserError } from '../errors';
import { InspectBench, SAMPLE } from './testing/bench';

/** Its page tables are numbers in its source. */
const VMS = path.join(__dirname, 'testing/vms');

describe('the console', () => {
  let b: InspectBench;
  const say = (text: string): Promise<string> => b.evaluate(text, 'repl');
  const link = (symbol: string): string =>
    `0x${(b.target.symbols.symbolByName(symbol)[0]?.address ?? 0n).toString(16)}`;
  const linkPlus = (symbol: string, more: bigint): string =>
    `0x${(BigInt(link(symbol)) + more).toString(16)}`;
  const refused = async (text: string, sentence: RegExp): Promise<void> => {
    await assert.rejects(say(text), (e) => e instanceof UserError && sentence.test(e.message));
  };

  describe('in a world switch', () => {
    before(async () => {
      b = new InspectBench({ program: VMS, memory: '16M' });
      await b.runTo('trap-entry');
    });

    it('walks an address of EL2', async () => {
      // Element 0x101 of el2_table: a block of 1 GiB that AttrIndx 0 (MAIR 0xff) describes.
      assert.equal(
        await say(`walk ${linkPlus('cpu_area', 0x4000000000n)}`),
        [
          `EL2:${linkPlus('cpu_area', 0x4000000000n)}`,
          `  stage 1 of ${linkPlus('cpu_area', 0x4000000000n)} in EL2 by TTBR0_EL2 = ${link('el2_table')}, 39 bits`,
          `    level 1: [${linkPlus('el2_table', 0x808n)}] = 0x40000701 block at 0x40000000: read-write, AttrIndx 0: Normal write-back, inner shareable, AF`,
          `    PA ${link('cpu_area')}`,
          `  PA ${link('cpu_area')}, Normal write-back, a mapping of 1 GiB`,
          '  EL2: read, write, execute',
        ].join('\n'),
      );
    });

    it('walks through both stages of any vcpu, and names the fault', async () => {
      assert.equal(
        await say(`walk EL1,vcpu=2.0:${linkPlus('guest_code', 0x40000000n)}`),
        [
          `EL1,vcpu=2.0:${linkPlus('guest_code', 0x40000000n)}`,
          `  stage 1 of ${linkPlus('guest_code', 0x40000000n)} in EL1&0: off (SCTLR_EL1.M = 0), the address stays`,
          `    IPA ${linkPlus('guest_code', 0x40000000n)}`,
          `  stage 2 of IPA ${linkPlus('guest_code', 0x40000000n)} by VTTBR_EL2 = ${linkPlus('vm2_table', 0x6000000000000n)}, 39 bits`,
          `    level 1: [${linkPlus('vm2_table', 16n)}] = 0x400007fd block at 0x40000000: read-write, Normal write-back, inner shareable, AF`,
          `    PA ${link('guest_code')}`,
          `  PA ${link('guest_code')}, Device-nGnRnE, a mapping of 4 KiB`,
          '  EL1: read, write, execute; EL0: read, write, execute',
        ].join('\n'),
      );
      assert.equal(
        await say('walk IPA(6):0x40000000'),
        [
          'IPA(6):0x40000000',
          `  stage 2 of IPA 0x40000000 by VTTBR_EL2 = ${linkPlus('vm2_table', 0x6000000000000n)}, 39 bits`,
          `    level 1: [${linkPlus('vm2_table', 8n)}] = 0x0 invalid`,
          '  fault: stage 2 translation fault, level 1',
        ].join('\n'),
      );
    });

    it('takes expressions, with a space before them or without', async () => {
      const first = async (text: string): Promise<string> => (await say(text)).split('\n')[0] ?? '';
      assert.equal(await first('walk TPIDR_EL2 + 8'), `EL2:${linkPlus('cpu_area', 0x4000000008n)}`);
      assert.equal(await first('walk vcpu.where'), `EL2:${await hexOf('vcpu.where')}`);
      assert.equal(await first('walk EL1:ELR_EL2'), `EL1:${await hexOf('ELR_EL2')}`);
      assert.equal(await first('walk pc'), `EL2:${await hexOf('pc')}`);

      async function hexOf(text: string): Promise<string> {
        return (await b.evaluate(text)).split(' ')[0] ?? '';
      }
    });

    it('explains the last exception by the control bit that routed it, after that bit has changed, too', async () => {
      const first = await say('why');
      assert.match(
        first,
        /^FP or SIMD access at EL1, taken to EL2 \(EC 0x07\)\.\nCPTR_EL2\.TFP = 1: an FP or/,
      );
      assert.match(first, /\nESR_EL2 = 0x1fe00000 .*\n {2}CV = 0x1\n/);
      assert.match(first, /guest_call\+0xc \(main\.S:\d+\) -> vectors\+0x400/);
      await b.runToFunction('load_vectors');
      assert.match(await b.evaluate('CPTR_EL2'), /^0x33ff/);
      assert.equal(await say('why'), first);
      await b.runTo('hvc');
      assert.match(await say('why'), /\nNext: HVC at EL1 is taken to EL2, EC 0x16\.$/);
    });

    it('shows the last events of the trace', async () => {
      const all = b.target.trace.last(100).map((e) => b.target.formatter.line(e));
      assert.deepEqual((await say('trace')).split('\n'), all);
      assert.deepEqual((await say('trace 2')).split('\n'), all.slice(-2));
    });

    it('lists its commands', async () => {
      const all = await say('help');
      for (const name of ['walk', 'why', 'trace', 'help']) assert.match(all, new RegExp(`^${name}\\b`, 'm'));
      assert.equal((await say('help walk')).split('\n').length, 1);
    });

    it('completes commands, names and fields', async () => {
      const labels = async (text: string): Promise<string[]> => {
        const { targets } = await b.ask('completions', { text, column: text.length + 1 });
        return targets.map((t) => t.label);
      };
      assert.deepEqual((await labels('w')).slice(0, 2), ['walk', 'why']);
      assert.deepEqual((await labels('help tr')).slice(0, 1), ['trace']);
      assert.ok(!(await labels('x0 + w')).includes('walk'));
      assert.ok((await labels('walk TTBR0_')).includes('TTBR0_EL2'));
      assert.ok((await labels('walk guest_m')).includes('guest_main'));
      assert.ok((await labels('walk vcpus[1].')).includes('where'));
      assert.ok((await labels('vcpu.vm.vm')).includes('vmid'));
    });

    it('answers mistakes with one sentence', async () => {
      await refused('walk', /^There is no address to walk: /);
      await refused('walk nonsense_name', /^"nonsense_name" is no register/);
      await refused('walk PA:0x40000000', /is physical already/);
      await refused(
        'walk EL1,vcpu=7.7:0x0',
        /^There is no vcpu 7\.7: the hypervisor has created 1\.0, 1\.1, 2\.0\.$/,
      );
      await refused('walk EL5:0', /./);
      await refused('why not', /takes nothing behind it/);
      await refused('trace -1 more', /./);
      await refused('trace many', /^"many" is no number of lines/);
      await refused('help me', /^There is no command "me"/);
      // Watches and hovers have no commands.
      await assert.rejects(b.evaluate('why', 'watch'), /"why" is no register/);
    });
  });

  it('agrees with the translation that reading memory uses, everywhere', async () => {
    b = new InspectBench({ program: SAMPLE });
    await b.runTo('guest-entry');
    await b.runTo('guest-exit');
    const { guest } = b.target;
    const before = b.target.machine.hash();
    let mapped = 0;
    for (const [level, vmid] of [
      ['EL1', 1],
      ['EL1', 0],
      ['EL2', undefined],
    ] as const)
      for (let page = 0n; page < 0x200n; page += 29n)
        for (const base of [0x8000000n, 0x40000000n, 0x40080000n, 0x7040080000n]) {
          const space = { kind: 'VA', level, ...(vmid === undefined ? {} : { vmid }) } as const;
          const found = guest.translate(0, space, base + (page << 12n));
          const lines = guest.explain(0, space, base + (page << 12n)).filter((l) => l.depth === 0);
          const text = lines.map((l) => l.text).join('\n');
          if ('pa' in found) {
            mapped++;
            assert.match(text, new RegExp(`^PA 0x${found.pa.toString(16)}, .*\n`, 'm'));
          } else assert.match(text, new RegExp(`^fault: ${found.fault}$`, 'm'));
        }
    assert.ok(mapped > 15, `${mapped} mapped`);
    assert.equal(b.target.machine.hash(), before);
  });

  it('says what docs/console.md shows, addresses and counts apart', async () => {
    b = new InspectBench({ program: SAMPLE });
    await b.runTo('stage2-fault');
    const mask = (text: string): string =>
      text
        .trim()
        .replace(/0x[0-9a-f]{3,}/g, '0x#')
        .replace(/\+0x[0-9a-f]+/g, '+#')
        .replace(/^\d+/, '#')
        .replace(/:\d+\)/g, ':#)');
    const text = readFileSync(path.join(__dirname, '../../docs/console.md'), 'utf8');
    const blocks = [...text.matchAll(/```console\n> (.*)\n([\s\S]*?)```/g)];
    assert.equal(blocks.length, 3);
    for (const [, command = '', shown = ''] of blocks) {
      const [before = '', after = ''] = shown.split('  ...\n');
      const lines = (await say(command)).split('\n').map(mask);
      const [first, last] = [before, after].map((t) =>
        t
          .split('\n')
          .filter((l) => l !== '')
          .map(mask),
      );
      assert.deepEqual(lines.slice(0, first?.length), first, command);
      if (after !== '') assert.deepEqual(lines.slice(-(last?.length ?? 0)), last, command);
      else assert.equal(lines.length, first?.length);
    }
  });

  it('knows what the addresses of a fault belong to', async () => {
    b = new InspectBench({ program: SAMPLE });
    await b.runTo('stage2-fault');
    const far = (await b.evaluate('FAR_EL2')).split(' ')[0] ?? '';
    const lines = (await say('walk FAR_EL2')).split('\n');
    assert.match(lines[0] ?? '', new RegExp(`^EL1,vmid=\\d+:${far}$`));
    // The walk of stage 1 reads its tables through stage 2.
    assert.ok(lines.some((l) => /^ {4}table entry at IPA 0x[0-9a-f]+: stage 2 by VTTBR_EL2/.test(l)));
    assert.match(await say('why'), /stage 2 (translation|permission) fault, level \d/);
  });
});
