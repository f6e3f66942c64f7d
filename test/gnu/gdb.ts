/**
 * gdb-multiarch on QEMU's gdb stub: what an independent debugger says about the same ELF. A script in gdb's Python
 * records answers, which come back as JSON.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ORACLE_LIMIT } from '../support/oracles';

const prelude = `
import gdb, json, os.path
answers = []
def run(command):
    return gdb.execute(command, False, True)
def where():
    frame = gdb.newest_frame()
    sal = frame.find_sal()
    file = os.path.basename(sal.symtab.filename) if sal.symtab else ''
    answers.append({'file': file, 'line': sal.line, 'function': frame.name() or ''})
def number(expression):
    answers.append(str(int(gdb.parse_and_eval(expression))))
def type_of(expression):
    answers.append(str(gdb.parse_and_eval(expression).type))
def locals():
    block = gdb.newest_frame().block()
    while not block.is_global and not block.is_static:
        answers.extend(s.name for s in block if s.is_argument or s.is_variable)
        block = block.superblock
def frames():
    frame = gdb.newest_frame()
    while frame:
        sal = frame.find_sal()
        answers.append({'file': os.path.basename(sal.symtab.filename) if sal.symtab else '', 'line': sal.line, 'function': frame.name() or ''})
        frame = frame.older()
for setting in ('pagination off', 'confirm off', 'width 0', 'architecture aarch64', 'startup-with-shell on', 'remotetimeout 60'):
    run('set ' + setting)
`;

/** Quotes a text for the shell that gdb starts a pipe with. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/**
 * Runs lines of Python in gdb on a guest that stands at its first instruction. There are `run(command)` for a command
 * of gdb, and `where()`, `frames()`, `locals()`, `number(expression)` and `type_of(expression)`, which append to the
 * answers.
 * @throws Error with gdb's own message
 */
export function gdbAnswers(elf: string, script: readonly string[]): unknown[] {
  const folder = mkdtempSync(join(tmpdir(), 'ws-gdb-'));
  try {
    const file = join(folder, 'script.py');
    const out = join(folder, 'answers.json');
    const board = '-M virt,virtualization=on -cpu cortex-a57 -m 64 -nic none';
    const qemu = `qemu-system-aarch64 ${board} -display none -monitor none -serial null -S -gdb stdio -kernel ${quoted(elf)}`;
    const lines = [
      prelude,
      `run(${JSON.stringify(`target remote | ${qemu}`)})`,
      ...script,
      `open(${JSON.stringify(out)}, 'w').write(json.dumps(answers))`,
      "run('kill')",
    ];
    writeFileSync(file, lines.join('\n'));
    const r = spawnSync('gdb-multiarch', ['-nx', '-batch', elf, '-x', file], {
      encoding: 'utf8',
      timeout: ORACLE_LIMIT,
    });
    try {
      return JSON.parse(readFileSync(out, 'utf8')) as unknown[];
    } catch {
      throw new Error(`gdb gave no answer: ${r.stderr}${r.stdout}`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
