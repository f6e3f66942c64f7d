/** The headless trace, as `npm start -- --trace` runs it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as esbuild from 'esbuild';

const root = path.resolve(__dirname, '../..');

describe('the headless trace', () => {
  let folder: string;
  let bundle: string;
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'worldswitch-trace-'));
    // As deep as dist/ is in the package, with the sample beside it.
    mkdirSync(path.join(folder, 'dist'));
    bundle = path.join(folder, 'dist', 'trace.js');
    esbuild.buildSync({
      absWorkingDir: root,
      entryPoints: ['debug-adapter/trace-main.ts'],
      outfile: bundle,
      bundle: true,
      platform: 'node',
      format: 'cjs',
      mainFields: ['module', 'main'],
      logLevel: 'error',
    });
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const trace = (...args: string[]): { status: number | null; out: string; err: string } => {
    const r = spawnSync(process.execPath, [bundle, ...args], { encoding: 'utf8', maxBuffer: 1 << 26 });
    return { status: r.status, out: r.stdout, err: r.stderr };
  };
  const sample = path.join(root, 'hypervisor', 'arm64');
  const source = (name: string, text: string): string => {
    const file = path.join(folder, name);
    writeFileSync(file, text);
    return file;
  };

  it('prints boot, hyp-init, guest entries and exits, and the text of the guest', () => {
    const { status, out, err } = trace(sample);
    assert.equal(err, '');
    assert.equal(status, 0);
    const lines = out.split('\n');
    const events = lines.filter((l) => /^ *\d+ {2}CPU \d {2}EL\d -> EL\d {2}/.test(l));
    assert.match(events[0] ?? '', /EL2 -> EL1 {2}ERET/);
    assert.ok(
      events.some((l) => l.includes('HVC #0 x0=0xc6000000')),
      'the call of hyp-init',
    );
    assert.ok(
      events.some((l) => /EL2 -> EL1 {2}ERET {2}enter_guest.*guest_start \(guests\/hello\.S/.test(l)),
    );
    assert.ok(events.some((l) => /EL1 -> EL2 {2}data abort .*IPA 0x9000000/.test(l)));
    assert.ok(events.some((l) => /EL1 -> EL2 {2}WFI/.test(l)));
    assert.ok(events.some((l) => /EL1 -> EL2 {2}IRQ/.test(l)));
    assert.ok(events.at(-1)?.includes('firmware SYSTEM_OFF'));
    assert.ok(lines.includes('uart | guest: hello from EL1, vmid 1'));
    const counts = events.map((l) => Number.parseInt(l.trim(), 10));
    assert.deepEqual(
      counts,
      [...counts].sort((a, b) => a - b),
    );
  });

  it('prints the same a second time', () => {
    assert.equal(trace(sample).out, trace(sample).out);
  });

  it('prints only the text with --events off', () => {
    const { status, out } = trace(sample, '--events', 'off');
    assert.equal(status, 0);
    assert.doesNotMatch(out, / -> /);
    assert.match(out, /^uart \| host: power off$/m);
  });

  it('says why a guest does not end, and exits non-zero', () => {
    const loop = trace(
      source('loop.S', '_start:\n\tb .\n'),
      '--max-instructions',
      '100000',
      '--memory',
      '16M',
    );
    assert.equal(loop.status, 1);
    assert.match(loop.out, /not powered off within 100000 instructions/);
    const lost = trace(source('lost.S', '_start:\n\tmov x0, #64\n\tbr x0\n'), '--memory=16M');
    assert.equal(lost.status, 1);
    assert.match(lost.out, /again and again/);
    const idle = trace(source('idle.S', '_start:\n\twfi\n\tb _start\n'), '--memory=16M');
    assert.equal(idle.status, 1);
    assert.match(idle.out, /waits for an interrupt/);
  });

  it('gives one clear error for what it cannot boot', () => {
    const bad: readonly (readonly [string[], RegExp])[] = [
      [['/no/such/file'], /does not exist/],
      [[source('wrong.S', '\tfoo\n\tbar x9\n')], /wrong\.S:1:.*\n.*wrong\.S:2:/],
      [['--smp', 'many'], /"smp"/],
      [['--memory', '1'], /"memory"/],
      [['--cpu', 'z80'], /"cortex-a57"/],
      [['--fast'], /no option --fast/],
      [['--max-instructions', 'x'], /needs a number/],
      [['a', 'b'], /One FILE/],
    ];
    for (const [args, expected] of bad) {
      const { status, err } = trace(...(args[0]?.startsWith('--') ? [sample, ...args] : args));
      assert.equal(status, 2, args.join(' '));
      assert.match(err, expected);
      assert.doesNotMatch(err, /\n {4}at /);
    }
  });
});
