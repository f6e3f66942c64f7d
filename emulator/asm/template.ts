/**
 * Assembly templates of rows (isa/dsl/README.md) as matchers and printers. A template belongs to one row and one
 * combination of its shape fields.
 */
import type {
  AsmSyntax,
  OperandError,
  OperandField,
  OperandHandler,
  PartialFields,
} from '../isa/dsl/operand';
import type { PrintContext } from '../isa/dsl/operand';
import { insert } from '../isa/dsl/pattern';
import type { RawFields, Row } from '../isa/dsl/row';
import { tokenize } from './lexer';
import type { Reader } from './reader';

type Item =
  | { readonly tag: 'text'; readonly text: string; readonly words: readonly string[] }
  | { readonly tag: 'operand'; readonly handler: OperandHandler }
  | { readonly tag: 'group'; readonly items: readonly Item[]; readonly fields: readonly string[] };

type Constraint = { readonly field: string } & ({ readonly value: number } | { readonly like: string });

/** The parts of a template's text, before it is bound to a row. */
export interface TemplateText {
  readonly mnemonic: string;
  readonly operands: string;
  readonly constraints: string;
}

/** Cuts off the mnemonic, which ends at a blank or at an optional group. */
export function splitTemplate(text: string): TemplateText {
  const semicolon = text.indexOf(' ;');
  const body = (semicolon < 0 ? text : text.slice(0, semicolon)).trim();
  const constraints = semicolon < 0 ? '' : text.slice(semicolon + 2).trim();
  let end = 0;
  let depth = 0;
  for (; end < body.length; end++) {
    const c = body.charAt(end);
    if (c === '<') depth++;
    else if (c === '>') depth--;
    else if (depth === 0 && (c === ' ' || c === '{')) break;
  }
  return { mnemonic: body.slice(0, end), operands: body.slice(end).trimStart(), constraints };
}

/** A template bound to a row and a shape, or to several shapes among which the operands choose. */
export class Template {
  /** The shape fields that are the same in all shapes. */
  readonly shape: RawFields;
  readonly #shapes: readonly RawFields[];
  readonly #items: readonly Item[];
  readonly #constraints: Constraint[] = [];
  /** What fields are when the optional group around them is left out. */
  readonly #defaults: PartialFields = {};
  /** Fields that the template does not mention: they must be 0. */
  readonly #unmentioned: readonly string[];

  constructor(
    readonly row: Row,
    shapes: readonly RawFields[],
    readonly mnemonic: string,
    readonly source: TemplateText,
    readonly syntax: AsmSyntax,
    extra: PartialFields = {},
  ) {
    const [first = {}] = shapes;
    const shape = Object.fromEntries(
      Object.entries(first).filter(([k, v]) => shapes.every((s) => s[k] === v)),
    );
    this.shape = shape;
    this.#shapes = shapes.length > 1 ? shapes : [];
    const optional = new Set<string>();
    const mentioned = new Set<string>(Object.keys(first));
    this.#items = this.#parseItems(source.operands, mentioned, optional, false);
    for (const f of optional) this.#defaults[f] = shape[f] ?? 0;
    for (const part of source.constraints.split(/[\s,]+/).filter(Boolean)) {
      const [field = '', value = ''] = part.split('=');
      if (!row.fields.has(field)) throw new Error(`${this.where()}: constraint on unknown field '${field}'`);
      mentioned.add(field);
      if (/^\d+$/.test(value)) {
        if (optional.has(field)) this.#defaults[field] = Number(value);
        else this.#constraints.push({ field, value: Number(value) });
      } else if (row.fields.has(value)) this.#constraints.push({ field, like: value });
      else throw new Error(`${this.where()}: constraint '${part}' is neither a number nor a field`);
    }
    for (const [field, value] of Object.entries(extra)) {
      if (value !== undefined && !(field in shape)) this.#constraints.push({ field, value });
      mentioned.add(field);
    }
    this.#unmentioned = row.pattern.fields.map((f) => f.name).filter((n) => !mentioned.has(n));
  }

  private where(): string {
    return `row ${this.row.name}, template '${this.mnemonic} ${this.source.operands}'`;
  }

  #parseItems(text: string, mentioned: Set<string>, optional: Set<string>, inGroup: boolean): Item[] {
    const items: Item[] = [];
    let literal = '';
    const flush = (): void => {
      if (!literal) return;
      items.push({ tag: 'text', text: literal, words: tokenize(literal).map((t) => t.lower) });
      literal = '';
    };
    for (let i = 0; i < text.length; i++) {
      const c = text.charAt(i);
      if (c === '<') {
        const end = text.indexOf('>', i);
        if (end < 0) throw new Error(`${this.where()}: '>' is missing`);
        flush();
        items.push(this.#operand(text.slice(i + 1, end), mentioned, inGroup ? optional : undefined));
        i = end;
      } else if (c === '{') {
        const end = text.indexOf('}', i);
        if (end < 0) throw new Error(`${this.where()}: '}' is missing`);
        flush();
        const inside = new Set<string>();
        const group = this.#parseItems(text.slice(i + 1, end), mentioned, inside, true);
        for (const f of inside) optional.add(f);
        items.push({ tag: 'group', items: group, fields: [...inside] });
        i = end;
      } else literal += c;
    }
    flush();
    return items;
  }

  #operand(text: string, mentioned: Set<string>, optional: Set<string> | undefined): Item {
    const colon = text.indexOf(':');
    const kind = colon < 0 ? text : text.slice(0, colon);
    const fields = (colon < 0 ? '' : text.slice(colon + 1))
      .split(',')
      .filter(Boolean)
      .map((name): OperandField => {
        if (/^\d+$/.test(name)) return { literal: Number(name) };
        const f = this.row.fields.get(name);
        if (!f) throw new Error(`${this.where()}: unknown field '${name}'`);
        mentioned.add(name);
        optional?.add(name);
        return f;
      });
    const factory = this.syntax.kind(kind);
    if (!factory) throw new Error(`${this.where()}: unknown operand kind '${kind}'`);
    return { tag: 'operand', handler: factory(fields, { mnemonic: this.mnemonic, shape: this.shape }) };
  }

  // --- assembling --------------------------------------------------------------------------------------------------

  /** Reads the operands. A word if the template fits them, else what is wrong and where. */
  assemble(reader: Reader): number | OperandError {
    const fields: PartialFields = { ...this.shape };
    const bad = this.#match(this.#items, reader, fields);
    if (bad) return bad;
    if (reader.peek()) return { text: 'the end of the statement', wrong: false };
    for (const [name, value] of Object.entries(this.shape)) {
      if (fields[name] !== value) return { text: 'another form', wrong: false };
    }
    for (const c of this.#constraints) {
      const want = 'value' in c ? c.value : fields[c.like];
      if (fields[c.field] === undefined) fields[c.field] = want;
      else if (fields[c.field] !== want) {
        // A demand on an operand, such as `sp` in one place; the alias is then not meant.
        return { text: 'another form', wrong: false };
      }
    }
    if (this.#shapes.length > 0) {
      const names = Object.keys(this.#shapes[0] ?? {});
      const fit = this.#shapes.find((s) => names.every((n) => fields[n] === undefined || fields[n] === s[n]));
      if (!fit) return { text: `${this.mnemonic} does not exist with these operands`, wrong: true };
      Object.assign(fields, fit);
    }
    return this.word(fields);
  }

  /** The word with these fields, if the row takes it. */
  word(fields: PartialFields): number | OperandError {
    let word = this.row.pattern.value;
    const all: Record<string, number> = {};
    for (const f of this.row.pattern.fields) {
      const v = fields[f.name] ?? 0;
      all[f.name] = v;
      word = insert(word, f, v);
    }
    if (this.row.when(all)) return word;
    return { text: `${this.mnemonic} does not exist with this combination of operands`, wrong: true };
  }

  #match(items: readonly Item[], reader: Reader, fields: PartialFields): OperandError | undefined {
    for (const item of items) {
      const bad =
        item.tag === 'text'
          ? matchText(item.words, reader)
          : item.tag === 'operand'
            ? item.handler.parse(reader, fields)
            : this.#matchGroup(item, reader, fields);
      if (bad) return bad;
    }
    return undefined;
  }

  #matchGroup(
    item: Item & { tag: 'group' },
    reader: Reader,
    fields: PartialFields,
  ): OperandError | undefined {
    const at = reader.position;
    const bad = reader.peek() ? this.#match(item.items, reader, fields) : undefined;
    if (reader.position > at && !bad) return undefined;
    if (bad) {
      reader.note(bad);
      reader.rewind(at);
    }
    for (const f of item.fields) fields[f] = this.#defaults[f];
    return undefined;
  }

  // --- printing ----------------------------------------------------------------------------------------------------

  /** The instruction's text, if the template fits the fields of a word with this shape. */
  print(fields: RawFields, context: PrintContext): string | undefined {
    for (const c of this.#constraints) {
      if (fields[c.field] !== ('value' in c ? c.value : fields[c.like])) return undefined;
    }
    for (const f of this.#unmentioned) if (fields[f] !== 0) return undefined;
    const operands = this.#printItems(this.#items, fields, context);
    if (operands === undefined) return undefined;
    return operands ? `${this.mnemonic}\t${operands}` : this.mnemonic;
  }

  #printItems(items: readonly Item[], fields: RawFields, context: PrintContext): string | undefined {
    let out = '';
    for (const item of items) {
      if (item.tag === 'text') out += item.text;
      else if (item.tag === 'operand') {
        const text = item.handler.print(fields, context);
        if (text === undefined) return undefined;
        out += out.endsWith('#') && text.startsWith('#') ? text.slice(1) : text;
      } else if (!this.#leftOut(item, fields)) {
        const text = this.#printItems(item.items, fields, context);
        if (text === undefined) return undefined;
        out += out ? text : text.trimStart();
      }
    }
    return out;
  }

  #leftOut(group: Item & { tag: 'group' }, fields: RawFields): boolean {
    return (
      group.fields.every((f) => fields[f] === this.#defaults[f]) &&
      !group.items.some((i) => i.tag === 'operand' && i.handler.keep?.(fields))
    );
  }
}

/** Literal text: `#` may be missing in the source, as GNU as allows; `#0.0` may be written `#0`. */
function matchText(words: readonly string[], reader: Reader): OperandError | undefined {
  for (const word of words) {
    if (reader.accept(word) || word === '#') continue;
    if (word === '0.0' && reader.accept('0')) continue;
    return { text: `'${word}'`, wrong: false };
  }
  return undefined;
}
