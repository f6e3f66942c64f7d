import assert from 'node:assert/strict';
import { Computer } from '../../emulator/board/computer';
import { stressTranslation } from '../../emulator/core/translator';
import { buildProgram } from '../hypervisor/program';

const slower = 'The guest runs slower than it could, since no code can be compiled here';

describe('a host that compiles nothing more', () => {
  const { Module, Instance } = WebAssembly;
  afterEach(() => Object.assign(WebAssembly, { Module, Instance }));

  const image = buildProgram('main.S').elf;
  const boot = (translate: typeof stressTranslation | false): { c: Computer; messages: string[] } => {
    const c = new Computer({ cpus: 1, memoryBytes: 32 << 20, image, translate });
    const messages: string[] = [];
    c.onEvent = (e) => {
      if (e.kind === 'message') messages.push(e.text);
    };
    return { c, messages };
  };

  const refuse = {
    'as a module': () =>
      (WebAssembly.Module = class extends Module {
        constructor(bytes: BufferSource) {
          super(bytes);
          throw new WebAssembly.CompileError('not allowed by the policy of this page');
        }
      }),
    'as an instance': () =>
      (WebAssembly.Instance = class extends Instance {
        constructor(module: WebAssembly.Module, imports?: WebAssembly.Imports) {
          super(module, imports);
          throw new RangeError('Out of memory: Cannot allocate Wasm memory for new instance');
        }
      }),
  };
  const why = {
    'as a module': 'not allowed by the policy of this page',
    'as an instance': 'Out of memory: Cannot allocate Wasm memory for new instance',
  };

  for (const what of ['as a module', 'as an instance'] as const)
    it(`leaves everything to the interpreter, and is reported once: ${what}`, () => {
      const [here, there] = [boot(stressTranslation), boot(false)];
      refuse[what]();
      for (const { c } of [here, there]) c.machine.run({ instructions: 100_000 });
      assert.deepEqual(here.messages, [`${slower}: ${why[what]}`]);
      assert.equal(here.c.machine.hash(), there.c.machine.hash());
    });
});
