/** Hover text for instructions, from the rows: what each form is called, how it is written, what it does. */
import type { Builder } from '../../emulator/ir/builder';
import type { Row } from '../../emulator/isa/dsl/row';

/** One way to write a mnemonic. */
export interface InstructionForm {
  /** `<Rd>` and so on where the form is there with W and with X registers. */
  syntax: string;
  readonly either: string;
  readonly doc: string;
  readonly feature: string | undefined;
}

/** How many forms of one mnemonic a hover shows. */
const MAX_FORMS = 12;

/** Operand kinds whose own name says little; `movz` and its kin stand behind a `#`. */
const NAMES: Readonly<Record<string, string>> = {
  addimm: '#<imm>',
  bitmask: '<imm>',
  movz: '<imm>',
  movn: '<imm>',
  movbm: '<imm>',
  movk: '#<imm>',
};

/** An operand `<kind:fields>` of a template as a reader writes it: `<x:rn>` is `<Xn>`. */
function readable(kind: string, fields: string): string {
  const field = fields.split(',')[0] ?? '';
  const register = /^([wxbhsdq])(sp)?$/.exec(kind);
  if (register) return `<${register[1]?.toUpperCase()}${field.replace(/^r/, '')}${register[2] ? '|SP' : ''}>`;
  const vector = /^(v|list\d)\.(\w+)$/.exec(kind);
  if (vector) return `<V${field.replace(/^r/, '')}.${vector[2]?.toUpperCase()}>`;
  if (/^(u|i|x16|hex)\b/.test(kind)) return `<${field}>`;
  return NAMES[kind.replace(/\d+$/, '')] ?? `<${kind.replace(/\d+$/, '')}>`;
}

/** A template as a line of syntax: without the constraints behind ` ; `. */
export function syntaxOf(template: string): string {
  const [text = ''] = template.split(' ; ');
  return text
    .trim()
    .replace(/<([^:<>]+):([^<>]*)>/g, (_, kind: string, fields: string) => readable(kind, fields));
}

/** All forms of all mnemonics, in lower case. */
export function instructionIndex<B extends Builder>(rows: readonly Row<B>[]): Map<string, InstructionForm[]> {
  const index = new Map<string, InstructionForm[]>();
  for (const row of rows) {
    const templates = new Set(row.shapes.flatMap((shape) => row.asm(shape)));
    for (const template of templates) {
      const syntax = syntaxOf(template);
      const either = syntax.replace(/<[WX](?=\w)/g, '<R');
      const mnemonic = /^\S+/.exec(syntax)?.[0];
      if (mnemonic === undefined) continue;
      const forms = index.get(mnemonic) ?? [];
      const twin = forms.find((form) => form.either === either && form.doc === row.doc);
      if (!twin) forms.push({ syntax, either, doc: row.doc, feature: row.feature });
      else if (twin.syntax !== syntax) twin.syntax = either;
      index.set(mnemonic, forms);
    }
  }
  return index;
}

/** The hover for a mnemonic's forms: each sentence once, with the forms that it is about. */
export function instructionHover(forms: readonly InstructionForm[]): string {
  const byDoc = new Map<string, InstructionForm[]>();
  for (const form of forms.slice(0, MAX_FORMS)) byDoc.set(form.doc, [...(byDoc.get(form.doc) ?? []), form]);
  const parts = [...byDoc].map(([doc, of]) => {
    const feature = of[0]?.feature;
    const needs = feature === undefined ? '' : ` Needs FEAT_${feature}.`;
    return `\`\`\`worldswitch-asm\n${of.map(({ syntax }) => syntax).join('\n')}\n\`\`\`\n${doc}${needs}`;
  });
  const rest = forms.length - MAX_FORMS;
  return [...parts, ...(rest > 0 ? [`and ${rest} more forms`] : [])].join('\n\n');
}
