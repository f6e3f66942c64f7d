/** From `program` of launch.json to bytes to boot: an ELF, a flat image, an assembly source, or a folder of sources. */
import * as fs from 'node:fs';
import path from 'node:path';
import { assemble } from '../../emulator/asm/assemble';
import type { Diagnostic } from '../../emulator/asm/diagnostics';
import type { ImageFormat } from '../../emulator/board/boot';
import { isElf } from '../../emulator/board/elf';
import { a64Isa } from '../../emulator/isa/a64';
import { ErrorId, UserError } from '../errors';
import type { AssemblerConfig, LaunchConfig } from './config';
import { loadKernel } from './kernel';

/** A program that can be booted. */
export interface Program {
  /** The file that was assembled or read. */
  readonly path: string;
  readonly image: Uint8Array;
  readonly format: ImageFormat;
  /** For a kernel. */
  readonly initrd?: Uint8Array;
  readonly dtb?: Uint8Array;
  /** Warnings of the assembler. */
  readonly diagnostics: readonly Diagnostic[];
}

/** The assembler refused the source; `items` are all that it has to say. */
export class AssemblyError extends UserError {
  constructor(
    message: string,
    readonly items: readonly Diagnostic[],
  ) {
    super(message, ErrorId.launch, true);
  }
}

const MAIN = 'main.S';
/** A flat image larger than the largest RAM cannot be meant. */
const MAX_IMAGE = 4 * 2 ** 30;

const wrong = (message: string): UserError => new UserError(message, ErrorId.launch, true);

function stat(file: string): fs.Stats {
  try {
    return fs.statSync(file);
  } catch {
    throw wrong(
      `The program ${file} does not exist: correct its path, which is "program" in launch.json, or build it first.`,
    );
  }
}

/** What a configuration boots: its kernel with the RAM disk, or its program. @throws UserError, AssemblyError */
export function loadGuest(config: LaunchConfig): Program {
  const { program, kernel, initrd, dtb, assembler } = config;
  if (kernel === undefined) return loadProgram(program, assembler);
  return { ...loadKernel(kernel, initrd, dtb), path: path.resolve(kernel), format: 'linux', diagnostics: [] };
}

/** Section flag of what takes memory when the program runs (ELF gABI, figure 4-11). */
const SHF_ALLOC = 2;

const isSource = (file: string): boolean => /\.[sS]$/.test(file);

/** The source that a folder stands for. */
function mainOf(folder: string): string {
  const main = path.join(folder, MAIN);
  if (fs.existsSync(main)) return main;
  const candidates = fs.readdirSync(folder).filter(isSource).sort();
  const advice =
    candidates.length === 0
      ? 'name an ELF or a .S file as "program"'
      : `name one of its sources as "program": ${candidates.slice(0, 8).join(', ')}${candidates.length > 8 ? ', ...' : ''}`;
  throw wrong(`The folder ${folder} has no ${MAIN}: ${advice}.`);
}

/** A file for the assembler: text if it is text, else bytes (.incbin); undefined if there is none. */
function readSource(file: string): string | Uint8Array | undefined {
  let bytes: Uint8Array;
  try {
    bytes = fs.readFileSync(file);
  } catch {
    return undefined;
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return bytes;
  }
}

function assembleFile(file: string, { defines, includeDirs }: AssemblerConfig): Program {
  const { elf, diagnostics, sections } = assemble({
    main: file,
    read: readSource,
    isa: a64Isa,
    defines,
    includeDirs: includeDirs.map((dir) => path.resolve(dir)),
  });
  const errors = diagnostics.filter((d) => d.severity === 'error');
  const first = errors[0];
  if (elf && !first) {
    if (!sections.some((s) => s.flags & SHF_ALLOC && s.size > 0))
      throw wrong(`${file} has no code: write instructions into it, beginning at the label _start.`);
    return { path: file, image: elf, format: 'elf', diagnostics };
  }
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  const text = first
    ? `${first.file}:${first.line}:${first.column}: ${first.message}${more}`
    : `${file} could not be assembled.`;
  throw new AssemblyError(text, diagnostics);
}

function readImage(file: string, size: number): Program {
  if (size > MAX_IMAGE)
    throw wrong(`The program ${file} has ${size} bytes, more than the machine's RAM can hold.`);
  let image: Uint8Array;
  try {
    image = fs.readFileSync(file);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw wrong(`The program ${file} cannot be read (${code}): check its permissions.`);
  }
  return { path: file, image, format: isElf(image) ? 'elf' : 'flat', diagnostics: [] };
}

/** Loads `program`. @throws UserError, AssemblyError */
export function loadProgram(
  program: string,
  assembler: AssemblerConfig = { defines: {}, includeDirs: [] },
): Program {
  const file = path.resolve(program);
  const what = stat(file);
  if (what.isDirectory()) return assembleFile(mainOf(file), assembler);
  if (!what.isFile())
    throw wrong(`The program ${file} is no regular file: name an ELF, a flat image or a .S file.`);
  return isSource(file) ? assembleFile(file, assembler) : readImage(file, what.size);
}
