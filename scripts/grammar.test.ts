import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { IGrammar } from 'vscode-textmate';
import { INITIAL, parseRawGrammar, Registry } from 'vscode-textmate';
import { createOnigScanner, createOnigString, loadWASM } from 'vscode-oniguruma';
import { GRAMMAR_FILE, grammar } from './grammar';
import { vocabulary } from './vocabulary';

describe('the grammar', () => {
  it('is committed as the rows have it now', () => {
    const committed = readFileSync(GRAMMAR_FILE, 'utf8');
    assert.ok(
      committed === grammar(vocabulary()),
      'The rows have changed: run `npm run grammar` and commit the file.',
    );
  });

  it('does not depend on the order of the words', () => {
    const words = vocabulary();
    assert.equal(grammar({ ...words, mnemonics: [...words.mnemonics].reverse() }), grammar(words));
  });

  describe('colours', () => {
    let loaded: IGrammar;

    before(async () => {
      await loadWASM(readFileSync(require.resolve('vscode-oniguruma/release/onig.wasm')).buffer);
      const registry = new Registry({
        onigLib: Promise.resolve({ createOnigScanner, createOnigString }),
        loadGrammar: async () => parseRawGrammar(grammar(vocabulary()), GRAMMAR_FILE),
      });
      const found = await registry.loadGrammar('source.worldswitch-asm');
      assert.ok(found);
      loaded = found;
    });

    /** The innermost scope of each word of a line, as `text=scope`, without those that have none of their own. */
    function coloured(line: string): string[] {
      return loaded
        .tokenizeLine(line, INITIAL)
        .tokens.map(({ startIndex, endIndex, scopes }) => [
          line.slice(startIndex, endIndex).trim(),
          scopes.at(-1) ?? '',
        ])
        .filter(([, scope]) => scope !== 'source.worldswitch-asm')
        .map(([text, scope]) => `${text}=${scope?.replace('.worldswitch-asm', '')}`);
    }

    const cases: Record<string, string[]> = {
      '1:\tmsr\tsctlr_el2, x0\t// on': [
        '1=entity.name.function.label',
        ':=punctuation.separator',
        'msr=support.function.mnemonic',
        'sctlr_el2=support.constant.system-register',
        'x0=variable.language.register',
        '// on=comment.line.double-slash',
      ],
      'b.eq 1f; ADD W1, WSP, #0x10': [
        'b.eq=support.function.mnemonic',
        '1f=constant.numeric.local-label',
        'ADD=support.function.mnemonic',
        'W1=variable.language.register',
        'WSP=variable.language.register',
        '0x10=constant.numeric.hex',
      ],
      '\tldr x1, =add // add is a symbol here': [
        'ldr=support.function.mnemonic',
        'x1=variable.language.register',
        '// add is a symbol here=comment.line.double-slash',
      ],
      '\tadd x0, x0, :lo12:x0_table': [
        'add=support.function.mnemonic',
        'x0=variable.language.register',
        'x0=variable.language.register',
        ':lo12:=storage.modifier.relocation',
      ],
      '.macro save reg, at=0': [
        '.macro=keyword.control.directive',
        'save=entity.name.function.macro',
        '0=constant.numeric.decimal',
      ],
      '\tstp \\reg, x1, [sp, #\\at]': [
        'stp=support.function.mnemonic',
        '\\reg=variable.parameter.macro',
        'x1=variable.language.register',
        'sp=variable.language.register',
        '\\at=variable.parameter.macro',
      ],
      '\ttlbi vmalls12e1is; dsb ish': [
        'tlbi=support.function.mnemonic',
        'vmalls12e1is=constant.language.operand',
        'dsb=support.function.mnemonic',
        'ish=constant.language.operand',
      ],
      'add: ret': [
        'add=entity.name.function.label',
        ':=punctuation.separator',
        'ret=support.function.mnemonic',
      ],
      '#define SAVE(a) stp a, x1 // two': [
        '#define=keyword.control.directive.preprocessor',
        'SAVE=entity.name.function.preprocessor',
        'x1=variable.language.register',
        '// two=comment.line.double-slash',
      ],
      ' # include <asm/save.h>': [
        '# include=keyword.control.directive.preprocessor',
        '<asm/save.h>=string.quoted.other.lt-gt',
      ],
      '#if N > 1': ['#if=keyword.control.directive.preprocessor', '1=constant.numeric.decimal'],
      '#endif // N': ['#endif=keyword.control.directive.preprocessor', '// N=comment.line.double-slash'],
      '#error no add here': ['#error=keyword.control.directive.preprocessor', 'no add here=string.unquoted'],
      '#define JOIN(a, b) a##b': [
        '#define=keyword.control.directive.preprocessor',
        'JOIN=entity.name.function.preprocessor',
        '##=keyword.operator.preprocessor',
      ],
      '# a line comment': ['# a line comment=comment.line.number-sign'],
    };
    for (const [line, expected] of Object.entries(cases)) {
      it(JSON.stringify(line), () => assert.deepEqual(coloured(line), expected));
    }
  });
});
