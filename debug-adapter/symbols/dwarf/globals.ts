import { SymbolError } from '../errors';
import { AT, LANG_ASSEMBLER, TAG } from './constants';
import type { Die, Dies, WalkStep } from './dies';
import { textOf } from './unit';
import type { Unit } from './unit';
import type { Units } from './units';

/** A variable of file scope: where its DIE is. */
interface Entry {
  readonly unit: Unit;
  readonly offset: number;
}

/** The names that a file gives to all of its code. */
interface FileScope {
  readonly variables: Map<string, Entry>;
  /** Variables of other files that it uses (`extern`): their types. */
  readonly declarations: Map<string, Entry>;
  /** Constants of enumerations. */
  readonly constants: Map<string, bigint>;
}

/** About a second of work. More debug information than this, such as a kernel's, is not searched for a name. */
const MAX_SEARCHED = 16 << 20;

const emptyScope = (): FileScope => ({
  variables: new Map(),
  declarations: new Map(),
  constants: new Map(),
});

/** Variables of file scope and enumerators by name (DWARF 5, 4.1 and 5.7). A unit is read when it is asked. */
export class Globals {
  private readonly byUnit = new Map<number, FileScope>();
  private everywhere: FileScope | undefined;

  constructor(
    private readonly units: Units,
    private readonly dies: Dies,
    private readonly report: (problem: string) => void,
  ) {}

  /** The DIE of a variable: of the file that has the code at `address` first, then of any other. */
  variable(name: string, address: bigint): Die | undefined {
    const found = this.find(address, (scope) => scope.variables.get(name));
    return found && this.attempt(() => this.dies.at(found.offset, found.unit));
  }

  /** The DIE by which the file that has the code at `address` declares a variable of another one. */
  declaration(name: string, address: bigint): Die | undefined {
    for (const unit of this.units.containing(address)) {
      const found = this.inUnit(unit).declarations.get(name);
      if (found !== undefined) return this.attempt(() => this.dies.at(found.offset, found.unit));
    }
    return undefined;
  }

  /** The value of an enumerator, looked for in the same order. */
  enumerator(name: string, address: bigint): bigint | undefined {
    return this.find(address, (scope) => scope.constants.get(name));
  }

  private attempt<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof SymbolError)) throw error;
      this.report(error.message);
      return undefined;
    }
  }

  private find<T>(address: bigint, get: (scope: FileScope) => T | undefined): T | undefined {
    for (const unit of this.units.containing(address)) {
      const own = get(this.inUnit(unit));
      if (own !== undefined) return own;
    }
    return get(this.all());
  }

  private inUnit(unit: Unit): FileScope {
    const known = this.byUnit.get(unit.header.offset);
    if (known !== undefined) return known;
    const found = emptyScope();
    // Registered first: damage is reported once, and what was read until then counts.
    this.byUnit.set(unit.header.offset, found);
    if (unit.language !== LANG_ASSEMBLER) this.attempt(() => this.read(unit, found));
    return found;
  }

  private read(unit: Unit, into: FileScope): void {
    for (const step of this.dies.walk(unit)) {
      if (step.depth === 1 && step.tag === TAG.variable) this.readVariable(unit, step, into);
      else if (step.depth === 2 && step.tag === TAG.enumerator) {
        const name = textOf(step.attributes().get(AT.name));
        const value = step.attributes().get(AT.constValue);
        if (name !== undefined && value?.kind === 'number') into.constants.set(name, value.value);
      }
    }
  }

  private readVariable(unit: Unit, step: WalkStep, into: FileScope): void {
    const attributes = step.attributes();
    const isDeclaration = attributes.has(AT.declaration);
    if (!isDeclaration && !attributes.has(AT.location) && !attributes.has(AT.constValue)) return;
    const { offset, tag, hasChildren } = step;
    // A definition apart from its declaration has its name there.
    const name = this.dies.nameOf({ offset, tag, hasChildren, attributes, unit });
    const names = isDeclaration ? into.declarations : into.variables;
    if (name !== undefined && !names.has(name)) names.set(name, { unit, offset });
  }

  private all(): FileScope {
    if (this.everywhere !== undefined) return this.everywhere;
    const found = emptyScope();
    this.everywhere = found;
    // Only the file that has the code is searched then.
    if (this.units.infoSize > MAX_SEARCHED) return found;
    for (const unit of this.units.all()) {
      const { variables, constants } = this.inUnit(unit);
      for (const [name, entry] of variables) if (!found.variables.has(name)) found.variables.set(name, entry);
      for (const [name, value] of constants) if (!found.constants.has(name)) found.constants.set(name, value);
    }
    return found;
  }
}
