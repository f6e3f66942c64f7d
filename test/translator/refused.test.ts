import assert from 'node:assert/strict';
import { Computer } from '../../emulator/board/computer';
import { stressTranslation } from '../../emulator/core/translator';
import { buildProgram } from '../hypervisor/program';

describe('a host that compiles nothing more', () => {
  const compile = WebAssembly.Module;
  afterEach(() => (WebAssembly.Module = compile));

  it('leaves everything to the interpreter, and is reported once', () => {
    const image = buildProgram('main.S').elf;
    const boot = (translate: typeof stressTranslation | false): Computer =>
      new Computer({ cpus: 1, memoryBytes: 32 << 20, image, translate });
    const [here, there] = [boot(stressTranslation), boot(false)];
    const messages: string[] = [];
    here.onEvent = (e) => {
      if (e.kind === 'message') messages.push(e.text);
    };
    WebAssembly.Module = class extends compile {
      constructor(bytes: BufferSource) {
        super(bytes);
        throw new WebAssembly.CompileError('not allowed by the policy of this page');
      }
    };
    for (const c of [here, there]) c.machine.run({ instructions: 100_000 });
    assert.deepEqual(messages, [
      'The guest runs slower than it could, since no code can be compiled here: not allowed by the policy of this page',
    ]);
    assert.equal(here.machine.hash(), there.machine.hash());
  });
});
