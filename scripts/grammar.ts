/**
 * `npm run grammar` writes syntaxes/worldswitch-asm.tmLanguage.json: the TextMate grammar, whose mnemonics, registers
 * and directives come from the rows and the assembler. grammar.test.ts compares the committed file.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { vocabulary } from './vocabulary';

/** The words of an assembly language that are told apart by colour. */
export interface Vocabulary {
  /** Lower case; `b.eq` and its kin each. */
  readonly mnemonics: readonly string[];
  /** Lower case. */
  readonly systemRegisters: readonly string[];
  /** Operands that are names: operations of AT, DC, IC and TLBI, barriers, PSTATE fields; lower case. */
  readonly operands: readonly string[];
  /** With their dot. */
  readonly directives: readonly string[];
  /** Of the C preprocessor, without their `#`. */
  readonly preprocessor: readonly string[];
}

interface Rule {
  readonly name?: string;
  readonly match?: string;
  readonly begin?: string;
  readonly end?: string;
  readonly captures?: Record<string, { readonly name: string }>;
  readonly beginCaptures?: Record<string, { readonly name: string }>;
  readonly patterns?: readonly Rule[];
  readonly include?: string;
}

const ID = 'worldswitch-asm';

/** Words as one alternation: sorted, and in one order whatever order they come in. */
function oneOf(words: readonly string[]): string {
  const escaped = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return `(?:${[...new Set(escaped)].sort().join('|')})`;
}

/** No part of a longer symbol on either side. */
const word = (alternation: string): string => `(?<![\\w.$\\\\])${alternation}(?![\\w.$])`;

/** The grammar for a vocabulary, as the JSON text of the file. */
export function grammar({
  mnemonics,
  systemRegisters,
  operands,
  directives,
  preprocessor,
}: Vocabulary): string {
  const scope = (name: string): string => `${name}.${ID}`;
  const directive = { name: scope('keyword.control.directive.preprocessor') };
  const repository: Record<string, { readonly patterns: readonly Rule[] }> = {
    preprocessor: {
      patterns: [
        {
          match: '^\\s*(#\\s*(?:define|undef|(?:el)?ifn?def))\\b\\s*([A-Za-z_]\\w*)?',
          captures: { 1: directive, 2: { name: scope('entity.name.function.preprocessor') } },
        },
        {
          match: '^\\s*(#\\s*(?:include(?:_next)?|import))\\s*(<[^>]*>)?',
          captures: { 1: directive, 2: { name: scope('string.quoted.other.lt-gt') } },
        },
        {
          match: '^\\s*(#\\s*(?:error|warning))\\b(.*)$',
          captures: { 1: directive, 2: { name: scope('string.unquoted') } },
        },
        { match: `^\\s*(#\\s*${oneOf(preprocessor)})\\b`, captures: { 1: directive } },
        { name: scope('keyword.operator.preprocessor'), match: '##' },
      ],
    },
    comments: {
      patterns: [
        { name: scope('comment.block'), begin: '/\\*', end: '\\*/' },
        { name: scope('comment.line.double-slash'), match: '//.*$' },
        { name: scope('comment.line.number-sign'), match: `^\\s*#(?!\\s*${oneOf(preprocessor)}\\b).*$` },
      ],
    },
    strings: {
      patterns: [
        {
          name: scope('string.quoted.double'),
          begin: '"',
          end: '"|$',
          patterns: [
            { name: scope('constant.character.escape'), match: '\\\\(?:[0-7]{1,3}|x[0-9A-Fa-f]+|.)' },
          ],
        },
        { name: scope('string.quoted.single'), match: "'(?:\\\\.|[^\\\\])'?" },
      ],
    },
    labels: {
      patterns: [
        {
          match: '(?:^|(?<=[;:]))\\s*((?:[A-Za-z_.$]|\\\\[\\w@]+)(?:[\\w.$]|\\\\[\\w@]+)*|\\d+)(:)',
          captures: {
            1: { name: scope('entity.name.function.label') },
            2: { name: scope('punctuation.separator') },
          },
        },
      ],
    },
    macros: {
      patterns: [
        {
          match: '(?i)(\\.macro)\\s+([\\w.$]+)',
          captures: {
            1: { name: scope('keyword.control.directive') },
            2: { name: scope('entity.name.function.macro') },
          },
        },
        { name: scope('variable.parameter.macro'), match: '\\\\(?:[A-Za-z_]\\w*|@|\\(\\))' },
      ],
    },
    directives: {
      patterns: [{ name: scope('keyword.control.directive'), match: `(?i)${word(oneOf(directives))}` }],
    },
    mnemonics: {
      patterns: [
        {
          // A mnemonic is one only where a statement begins: a symbol may have its name.
          match: `(?i)(?:^|(?<=[;:])|(?<=\\*/))\\s*(${oneOf(mnemonics)})(?![\\w.$:])`,
          captures: { 1: { name: scope('support.function.mnemonic') } },
        },
      ],
    },
    registers: {
      patterns: [
        {
          name: scope('variable.language.register'),
          match: `(?i)${word('(?:[wx](?:[12]?\\d|30|zr)|w?sp|lr|fp|ip[01]|[bhsdq](?:[12]?\\d|3[01])|v(?:[12]?\\d|3[01])(?:\\.\\d*[bhsdq])?)')}`,
        },
        { name: scope('support.constant.system-register'), match: `(?i)${word(oneOf(systemRegisters))}` },
        {
          name: scope('support.constant.system-register'),
          match: `(?i)${word('s[0-3]_[0-7]_c(?:1[0-5]|\\d)_c(?:1[0-5]|\\d)_[0-7]')}`,
        },
      ],
    },
    operands: {
      patterns: [
        {
          name: scope('storage.modifier.shift'),
          match: `(?i)${word('(?:ls[lr]|asr|ror|msl|[us]xt[bhwx])')}`,
        },
        { name: scope('constant.language.operand'), match: `(?i)${word(oneOf(operands))}` },
        { name: scope('storage.modifier.relocation'), match: ':[a-z][a-z0-9_]*:' },
        {
          name: scope('storage.type.section'),
          match: '[@%](?:progbits|nobits|note|function|object|notype)\\b',
        },
        { name: scope('constant.numeric.hex'), match: '(?<![\\w.$])0[xX][0-9A-Fa-f]+\\b' },
        { name: scope('constant.numeric.binary'), match: '(?<![\\w.$])0[bB][01]+\\b' },
        { name: scope('constant.numeric.local-label'), match: '(?<![\\w.$])\\d+[bf]\\b' },
        {
          name: scope('constant.numeric.decimal'),
          match: '(?<![\\w.$])\\d+(?:\\.\\d+(?:[eE][-+]?\\d+)?)?\\b',
        },
      ],
    },
  };
  const text = {
    $schema: 'https://json.schemastore.org/tmlanguage.json',
    name: 'Assembly (Worldswitch)',
    scopeName: `source.${ID}`,
    patterns: Object.keys(repository).map((name) => ({ include: `#${name}` })),
    repository,
  };
  return `${JSON.stringify(text, null, 2)}\n`;
}

/** Where the grammar is committed. */
export const GRAMMAR_FILE = path.join(__dirname, '..', 'syntaxes', `${ID}.tmLanguage.json`);

if (require.main === module) writeFileSync(GRAMMAR_FILE, grammar(vocabulary()));
