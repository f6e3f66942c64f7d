/** From mnemonic and operands to an instruction word: the first template that fits. */
import type { AsmSyntax } from '../isa/dsl/operand';
import type { RawFields, Row } from '../isa/dsl/row';
import type { Scope } from './expression';
import type { Token } from './lexer';
import { Reader, type Trouble } from './reader';
import { splitTemplate, Template, type TemplateText } from './template';

/** A template that waits for the first use of its mnemonic. */
interface Candidate {
  readonly row: Row;
  /** The shapes with this text: operands choose among them. */
  readonly shapes: RawFields[];
  readonly text: TemplateText;
  readonly extra: Record<string, number>;
  template?: Template;
}

export interface Encoded {
  readonly word: number;
  /** An operand's value is not known yet; encode again when it is. */
  readonly deferred: boolean;
}

export interface EncodeError {
  readonly error: string;
  /** Index of the token that is wrong; the number of tokens if something is missing at the end. */
  readonly token: number;
}

const isEncoded = (r: Encoded | EncodeError): r is Encoded => 'word' in r;

export class InstructionTable {
  #candidates: Map<string, Candidate[]> | undefined;
  readonly #texts = new Map<string, TemplateText>();

  constructor(
    readonly rows: readonly Row[],
    readonly syntax: AsmSyntax,
  ) {}

  /** All templates by mnemonic. */
  private get candidates(): Map<string, Candidate[]> {
    if (this.#candidates) return this.#candidates;
    const all = new Map<string, Candidate[]>();
    for (const row of [...this.rows, ...this.syntax.assembleOnly]) {
      // One candidate for shapes with the same text, such as all system registers of MRS; but not for both register
      // widths, which operands ask for.
      const same = new Map<string, Candidate>();
      for (const shape of row.shapes) {
        for (const source of row.asm(shape)) {
          const text = this.split(source);
          for (const [mnemonic, extra] of this.expand(text.mnemonic)) {
            const key = `${shape['sf']} ${mnemonic} ${source}`;
            const before = same.get(key);
            if (before) {
              before.shapes.push(shape);
              continue;
            }
            const candidate = { row, shapes: [shape], text, extra };
            same.set(key, candidate);
            const list = all.get(mnemonic);
            if (list) list.push(candidate);
            else all.set(mnemonic, [candidate]);
          }
        }
      }
    }
    this.#candidates = all;
    return all;
  }

  /** As splitTemplate; the same text occurs for many shapes. */
  split(source: string): TemplateText {
    let text = this.#texts.get(source);
    if (!text) this.#texts.set(source, (text = splitTemplate(source)));
    return text;
  }

  /** `b.<cond:cond>` as one mnemonic for each condition, with the field that it sets. */
  expand(mnemonic: string): [string, Record<string, number>][] {
    const m = /^(.*)<([\w.]+):(\w+)>(.*)$/.exec(mnemonic);
    if (!m) return [[mnemonic, {}]];
    const [, before = '', kind = '', field = '', after = ''] = m;
    const handler = this.syntax.kind(kind)?.([{ name: field, lsb: 0, width: 4 }], {
      mnemonic: '',
      shape: {},
    });
    return (handler?.names ?? []).map(([name, v]) => [`${before}${name}${after}`, { [field]: v }]);
  }

  /** All mnemonics, for completion. */
  mnemonics(): string[] {
    return [...this.candidates.keys()].sort();
  }

  has(mnemonic: string): boolean {
    return this.candidates.has(mnemonic);
  }

  /** The rows that a mnemonic can mean, without repetition. */
  rowsOf(mnemonic: string): Row[] {
    const list = this.candidates.get(mnemonic) ?? [];
    return [...new Set(list.map((c) => c.row))];
  }

  /** The operand forms of a mnemonic, as templates write them. */
  forms(mnemonic: string): string[] {
    return [...new Set((this.candidates.get(mnemonic) ?? []).map((c) => c.text.operands))];
  }

  /** Encodes an instruction. `mnemonic` in lower case. */
  encode(mnemonic: string, operands: readonly Token[], scope: Scope): Encoded | EncodeError {
    const first = this.tryAll(mnemonic, operands, scope, false);
    if (isEncoded(first)) return first;
    const other = this.syntax.fallbacks[mnemonic];
    if (other) {
      const second = this.tryAll(other.mnemonic, operands, scope, other.negate);
      if (isEncoded(second)) return second;
    }
    return first;
  }

  private tryAll(
    mnemonic: string,
    operands: readonly Token[],
    scope: Scope,
    negate: boolean,
  ): Encoded | EncodeError {
    const candidates = this.candidates.get(mnemonic) ?? [];
    const reader = new Reader(operands, scope, mnemonic, negate);
    for (const c of candidates) {
      c.template ??= new Template(c.row, c.shapes, mnemonic, c.text, this.syntax, c.extra);
      reader.restart();
      const r = c.template.assemble(reader);
      if (typeof r === 'number') return { word: r, deferred: reader.deferred };
    }
    // Only now, since most instructions are right: once more, to collect the reasons.
    const troubles: Trouble[] = [];
    for (const c of candidates) {
      const again = new Reader(operands, scope, mnemonic, negate);
      const error = c.template?.assemble(again);
      troubles.push(...again.troubles);
      if (typeof error === 'object') troubles.push({ position: again.position, error });
    }
    return this.explain(mnemonic, operands, troubles, scope);
  }

  /** The most useful of all reasons: of the templates that came furthest. */
  private explain(
    mnemonic: string,
    tokens: readonly Token[],
    troubles: readonly Trouble[],
    scope: Scope,
  ): EncodeError {
    const wrong = troubles.filter((t) => t.error.wrong);
    const furthest = Math.max(0, ...troubles.map((t) => t.position));
    const best = wrong.filter((t) => t.position === Math.max(...wrong.map((w) => w.position)))[0];
    // A value that is out of range was read to its end, so it stands before the position.
    if (best && best.position >= furthest - 2) {
      return { error: best.error.text, token: Math.max(0, best.position - 1) };
    }
    const expected = [
      ...new Set(troubles.filter((t) => t.position === furthest).map((t) => t.error.text)),
    ].filter((t) => t !== 'another form');
    const token = tokens[furthest];
    const list = expected.slice(0, 4).join(', or ');
    const found = token ? `not '${token.text}'` : 'but the statement ends';
    const operand = operandNumber(tokens, furthest);
    if (expected.length === 1 && expected[0] === 'the end of the statement') {
      return { error: `${mnemonic} takes no further operand: '${token?.text ?? ''}'`, token: furthest };
    }
    if (!list) return { error: `${mnemonic} does not exist with this combination of operands`, token: 0 };
    const hint = token && scope.isReserved(token.lower) ? '' : similar(token);
    return { error: `operand ${operand} of ${mnemonic}: expected ${list}, ${found}${hint}`, token: furthest };
  }
}

/** Which operand a token belongs to, from 1. */
function operandNumber(tokens: readonly Token[], at: number): number {
  let n = 1;
  let depth = 0;
  for (const t of tokens.slice(0, at)) {
    if (t.text === '[' || t.text === '{') depth++;
    else if (t.text === ']' || t.text === '}') depth--;
    else if (t.text === ',' && depth === 0) n++;
  }
  return n;
}

const similar = (token: Token | undefined): string =>
  token && /^[wx]31$/.test(token.lower)
    ? ` (register 31 is called ${token.lower.charAt(0)}zr or ${token.lower === 'w31' ? 'wsp' : 'sp'})`
    : '';
