import assert from 'node:assert/strict';
import { parseLaunch } from './launch/config';
import { parseArguments } from './trace-main';

describe('command line of the headless trace', () => {
  const assembler = (...args: string[]): unknown => parseArguments(['a.S', ...args]).launch['assembler'];

  it('takes macros and include folders as compilers take them', () => {
    assert.deepEqual(
      assembler('--define', 'A=1', '-D', 'B', '-DC=x=y', '--define=D=', '-D=', '-I', 'i', '-Ij'),
      {
        defines: { A: '1', B: '1', C: 'x=y', D: '', '': '' },
        includeDirs: ['i', 'j'],
      },
    );
    assert.equal(assembler(), undefined);
  });

  it('takes several files of symbols', () => {
    assert.deepEqual(parseArguments(['a.S', '--symbols', 'b', '--symbols=c']).launch['symbols'], [
      { file: 'b' },
      { file: 'c' },
    ]);
  });

  it('collects disks, devices and a seed', () => {
    const { launch } = parseArguments([
      '--kernel',
      'k',
      '--disk',
      'a',
      '--disk-write=b',
      '--virtio',
      'net',
      '--virtio=rng',
      '--seed',
      '7',
    ]);
    const disk = ['a', { file: 'b', write: true }];
    assert.deepEqual(launch, { kernel: 'k', disk, virtio: ['net', 'rng'], seed: 7 });
    assert.equal(parseLaunch(launch).disk[0]?.write, false);
    assert.throws(() => parseLaunch(parseArguments(['a.S', '--seed', 'x']).launch), /"seed".*the string "x"/);
  });

  it('refuses an option without its value', () => {
    assert.throws(() => parseArguments(['a.S', '-D']), /--define needs a value/);
    assert.throws(() => parseArguments(['a.S', '--include-dir']), /--include-dir needs a value/);
  });
});
