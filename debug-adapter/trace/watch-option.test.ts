import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { run } from '../trace-main';

const PROGRAM = `
_start:
	adr	x1, data
	mov	w0, #7
put:	str	w0, [x1, #4]
get:	ldr	x2, [x1]
	strb	w0, [x1, #9]
	ldr	x0, =0x84000008
	smc	#0
	.balign	8
data:	.quad	0, 0
`;

describe('--watch of the headless trace', () => {
  let folder: string;
  let file: string;
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'worldswitch-watch-'));
    file = path.join(folder, 'watch.S');
    writeFileSync(file, PROGRAM);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  async function trace(...args: string[]): Promise<string> {
    let out = '';
    assert.equal(await run([file, '--events', 'off', ...args], (text) => (out += text)), 0);
    return out;
  }
  const accesses = async (...args: string[]): Promise<string[]> =>
    (await trace(...args)).split('\n').filter((l) => /^ *\d+ {2}CPU 0 {2}EL2 {2}(?:read|write)/.test(l));

  it('prints who reads and writes what', async () => {
    const [first = '', second = '', ...more] = await accesses('--watch', 'data:8:rw');
    const put =
      /^ +3 {2}CPU 0 {2}EL2 {2}write data 0x0 -> 0x700000000 {2}4 bytes at 0x\w+ {2}put \(watch\.S:5\)$/;
    assert.match(first, put);
    const get = /^ +4 {2}CPU 0 {2}EL2 {2}read data = 0x700000000 {2}8 bytes at 0x\w+ {2}get \(watch\.S:6\)$/;
    assert.match(second, get);
    assert.deepEqual(more, []);
  });

  it('takes addresses of all spaces, several at once, by default 8 bytes that are written', async () => {
    const address = /at (0x\w+)/.exec((await accesses('--watch', 'data:8:r'))[0] ?? '')?.[1] ?? '';
    assert.equal((await accesses('--watch', `PA:${address}`)).length, 1);
    assert.equal((await accesses('--watch', `EL2:${address}:10:w`, '--watch', `${address}:1:r`)).length, 3);
    assert.equal((await accesses('--watch', `${address}:16:rw`)).length, 3);
  });

  it('says at the end what it never found', async () => {
    assert.match(await trace('--watch', 'EL1,vmid=3:0x10:4:rw'), /^EL1,vmid=3:0x10 has no memory yet/m);
  });

  for (const [text, message] of [
    ['nothing', /no data with the name "nothing"/],
    ['!', /--watch needs a symbol or an address/],
    ['PA:0x40080000:8:x', /--watch needs a symbol or an address/],
    ['PA:0x40080000:0', /from 1 to \d+ bytes, not 0/],
    ['EL2,vmid=1:0x0', /EL2 has one address space/],
  ] as const)
    it(`refuses ${text}`, () => assert.rejects(trace('--watch', text), message));
});
