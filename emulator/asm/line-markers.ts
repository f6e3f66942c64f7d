/** Line markers, `# 12 "file.c"`, which preprocessors leave in their output: the next line comes from there. */
import { stringBytes } from './lexer';
import type { InputLine } from './input';

const marker = /^[ \t]*#[ \t]*(\d{1,9})[ \t]+"((?:\\.|[^"\\])*)"/;
const decoder = new TextDecoder();

/** Gives the lines behind a marker their number and file, up to the end of their own file. */
export function applyLineMarkers(lines: InputLine[]): InputLine[] {
  if (!lines.some(({ text }) => text.includes('#') && marker.test(text))) return lines;
  let now: { file: string; shift: number; of: InputLine['at'] } | undefined;
  return lines.map((line) => {
    const { at } = line;
    const m = line.text.includes('#') ? marker.exec(line.text) : null;
    if (m) {
      const file = decoder.decode(stringBytes(m[2] ?? ''));
      now = { file, shift: Number(m[1]) - at.line - 1, of: at };
      return line;
    }
    if (!now || now.of.file !== at.file || now.of.from !== at.from) {
      now = undefined;
      return line;
    }
    const { file, shift } = now;
    const moved = { ...at, file, line: at.line + shift };
    const { locate } = line;
    if (!locate) return { ...line, at: moved, written: moved };
    return {
      ...line,
      at: moved,
      written: moved,
      locate: (from, to) => {
        const l = locate(from, to);
        return { ...l, line: l.line + shift };
      },
    };
  });
}
