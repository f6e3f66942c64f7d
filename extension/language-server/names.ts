/** The names of a program: macros of the preprocessor, macros of the assembler, labels and constants. */
import path from 'node:path';
import type { AssembleResult } from '../../emulator/asm/assemble';
import { describeDefinition, type MacroDefinition } from '../../emulator/asm/preprocessor/macro-definition';
import type { MacroUse } from '../../emulator/asm/preprocessor/record';
import type { NameAt, Place } from './language';

/** An expansion longer than this is cut off: it may be of any length. */
const MAX_SHOWN = 2000;

const samePlace = (a: Place, b: Place): boolean =>
  path.normalize(a.file) === path.normalize(b.file) && a.line === b.line && a.column === b.column;

function placeOf({ at }: MacroDefinition): Place[] {
  if (!at) return [];
  const { line, column, endColumn } = at.origin;
  return [{ file: path.normalize(at.file), line, column: column + 1, endColumn: endColumn + 1 }];
}

const code = (text: string): string => `\`\`\`worldswitch-asm\n${text}\n\`\`\``;

export class Names {
  constructor(private readonly result: AssembleResult) {}

  private useAt(name: NameAt): MacroUse | undefined {
    return this.result.preprocessed?.uses.find((use) => use.name === name.text && samePlace(use, name));
  }

  /** The macro that a name is: the one in force there, or the last of that name where the place says nothing. */
  private macroAt(name: NameAt): MacroDefinition | undefined {
    const all = this.result.preprocessed?.definitions.filter((m) => m.name === name.text) ?? [];
    const here = all.find((m) => placeOf(m).some((place) => samePlace(place, name)));
    return here ?? this.useAt(name)?.macro ?? all.at(-1);
  }

  definitions(name: NameAt): Place[] {
    const macro = this.macroAt(name);
    if (macro) return placeOf(macro);
    const { text } = name;
    const lines = [
      ...this.result.macros.filter((m) => m.name === text.toLowerCase()),
      ...this.result.symbols.flatMap((s) => (s.name === text && s.definedAt ? [s.definedAt] : [])),
    ];
    return lines.map(({ file, line }) => ({ file: path.normalize(file), line, column: 1, endColumn: 1 }));
  }

  references(name: NameAt): Place[] | undefined {
    const preprocessed = this.result.preprocessed;
    if (!preprocessed || !this.macroAt(name)) return undefined;
    const definitions = preprocessed.definitions.filter((m) => m.name === name.text);
    const inBodies = preprocessed.definitions.flatMap(({ at, body }) =>
      body.flatMap(({ text, written }): Place[] =>
        at && text === name.text
          ? [
              {
                file: at.file,
                line: written.line,
                column: written.column + 1,
                endColumn: written.endColumn + 1,
              },
            ]
          : [],
      ),
    );
    const places = [
      ...definitions.flatMap(placeOf),
      ...preprocessed.uses.filter((use) => use.name === name.text),
      ...inBodies,
    ].map(({ file, line, column, endColumn }) => ({ file: path.normalize(file), line, column, endColumn }));
    // A header that is included twice says everything twice.
    return [...new Map(places.map((p) => [`${p.line}:${p.column}:${p.file}`, p])).values()];
  }

  describe(name: NameAt): string | undefined {
    const macro = this.macroAt(name);
    if (macro) {
      const parts = [code(describeDefinition(macro))];
      const expansion = this.useAt(name)?.expansion?.();
      if (expansion !== undefined) {
        const text = expansion.length > MAX_SHOWN ? `${expansion.slice(0, MAX_SHOWN)} ...` : expansion;
        parts.push(text === '' ? 'becomes nothing here' : `becomes here\n${code(text)}`);
      }
      return parts.join('\n\n');
    }
    const symbol = this.result.symbols.find((s) => s.name === name.text);
    if (!symbol) return undefined;
    const value = `0x${symbol.value.toString(16)}`;
    if (symbol.section === undefined) return code(`${symbol.name} = ${value}`);
    return `${code(`${symbol.name}:`)}\n${value} in ${symbol.section}`;
  }
}
