/** Macros that are there before the first line. */
import { lex, type Origin, type PpToken } from './tokens';
import { parseDefinition, PpError, type MacroDefinition } from './macro-definition';

/** What every instruction set has. */
const common: Readonly<Record<string, string>> = {
  __ASSEMBLER__: '1',
  __ELF__: '1',
  __STDC__: '1',
  __CHAR_BIT__: '8',
  __ORDER_LITTLE_ENDIAN__: '1234',
  __ORDER_BIG_ENDIAN__: '4321',
};

/** By the name of the instruction set: what gcc for it predefines and assembly asks for (Arm C Language Extensions, ACLE). */
const ofIsa: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  a64: {
    __aarch64__: '1',
    __AARCH64EL__: '1',
    __ARM_64BIT_STATE: '1',
    __ARM_ARCH: '8',
    __ARM_ARCH_ISA_A64: '1',
    __ARM_ARCH_PROFILE: '65',
    __LP64__: '1',
    _LP64: '1',
    __BYTE_ORDER__: '__ORDER_LITTLE_ENDIAN__',
    __CHAR_UNSIGNED__: '1',
    __SIZEOF_INT__: '4',
    __SIZEOF_LONG__: '8',
    __SIZEOF_POINTER__: '8',
  },
};

const nowhere: Origin = { line: 1, column: 0, endColumn: 0 };

/** A macro of the command line or of launch.json; the name may have parameters: `F(x)`. */
export function outsideDefinition(name: string, value: string): MacroDefinition | PpError {
  const text = `${name} ${value}`;
  if (/[\r\n]/.test(text)) return new PpError('it must be one line', undefined);
  return parseDefinition(
    lex(text, () => ({ ...nowhere })),
    undefined,
    nowhere,
  );
}

/** What `__LINE__` and its kin ask for. */
export interface Dynamic {
  line(use: Origin): number;
  file(): string;
  mainFile(): string;
  includeLevel(): number;
  counter(): number;
}

const number = (n: number): Pick<PpToken, 'kind' | 'text'> => ({ kind: 'num', text: n.toString() });
const string = (s: string): Pick<PpToken, 'kind' | 'text'> => ({
  kind: 'str',
  text: `"${s.replace(/["\\]/g, '\\$&')}"`,
});

/** The predefined macros of an instruction set. */
export function predefinedMacros(isa: string, dynamic: Dynamic): Map<string, MacroDefinition> {
  const out = new Map<string, MacroDefinition>();
  for (const [name, value] of Object.entries({ ...common, ...ofIsa[isa.toLowerCase()] })) {
    const m = outsideDefinition(name, value);
    if (!(m instanceof PpError)) out.set(name, m);
  }
  const values: Readonly<Record<string, MacroDefinition['value']>> = {
    __LINE__: (use) => number(dynamic.line(use)),
    __FILE__: () => string(dynamic.file()),
    __BASE_FILE__: () => string(dynamic.mainFile()),
    __INCLUDE_LEVEL__: () => number(dynamic.includeLevel()),
    __COUNTER__: () => number(dynamic.counter()),
  };
  for (const [name, value] of Object.entries(values)) {
    out.set(name, {
      name,
      parameters: undefined,
      variadic: false,
      body: [],
      at: undefined,
      ...(value ? { value } : {}),
    });
  }
  return out;
}
