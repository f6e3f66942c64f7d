import { CallFrames } from './dwarf/cfi';
import { Dies } from './dwarf/dies';
import { Functions } from './dwarf/functions';
import type { Scope } from './dwarf/functions';
import { Globals } from './dwarf/globals';
import { Lines } from './dwarf/lines';
import { DebugSections } from './dwarf/sections';
import { Units } from './dwarf/units';
import { Variables } from './dwarf/variables';
import { ElfFile } from './elf';
import type { Inflate } from './elf';
import { SymbolTable } from './elf-symbols';
import { SymbolError } from './errors';
import { readLayout } from './layout';
import type { Layout } from './layout';
import { regimeFit } from './regime';
import type { ModuleSpec, Place, Regime } from './types';

const MAX_PROBLEMS = 20;
const INSTRUCTION = 4n;
/** More NOPs than tracers of functions ask for. */
const MAX_PADDING = 32n;

/** What one ELF file says, independent of where it is loaded. Everything behind the headers is read on demand. */
export class Image {
  readonly elf: ElfFile;
  readonly units: Units;
  readonly lines: Lines;
  readonly functions: Functions;
  readonly frames: CallFrames;
  readonly variables: Variables;
  /** Damage that was found so far; the parts that it does not concern still work. */
  readonly problems: string[] = [];
  private table: SymbolTable | undefined;

  constructor(spec: ModuleSpec, inflate: Inflate | undefined) {
    this.elf = new ElfFile(spec.source, spec.name, inflate === undefined ? {} : { inflate });
    const report = (problem: string) => this.report(problem);
    const sections = new DebugSections(this.elf, report);
    this.units = new Units(sections, report);
    this.lines = new Lines(sections, this.units, report);
    const dies = new Dies(this.units);
    this.functions = new Functions(this.units, dies, report);
    this.frames = new CallFrames(sections, report);
    this.variables = new Variables(
      dies,
      this.functions,
      this.frames,
      new Globals(this.units, dies, report),
      report,
      (name, address) => this.dataSymbol(name, address),
    );
  }

  private report(problem: string): void {
    if (this.problems.length < MAX_PROBLEMS && !this.problems.includes(problem)) this.problems.push(problem);
  }

  /** The symbol table; a damaged one is reported and leaves the file without symbols. */
  get symbols(): SymbolTable | undefined {
    if (this.table === undefined && !this.triedTable) {
      this.triedTable = true;
      try {
        this.table = new SymbolTable(this.elf);
      } catch (error) {
        if (!(error instanceof SymbolError)) throw error;
        this.report(error.message);
      }
    }
    return this.table;
  }

  private triedTable = false;

  /**
   * The places that one stop per pass over a line needs. A compiler spreads a line of C over several blocks of one
   * function (the parts of a `for`): the first of each function, and of each inlined instance, is enough. In assembly
   * each block is an expansion of its own.
   */
  stopsFor(addresses: readonly bigint[]): bigint[] {
    const seen = new Set<Scope>();
    return [...addresses]
      .sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
      .flatMap((address) => {
        const scope = this.functions.at(address);
        if (scope === undefined) return [address];
        if (seen.has(scope)) return [];
        seen.add(scope);
        return [this.bodyAt(address)];
      });
  }

  /**
   * The global symbol that the code at an address means by a name of C. All symbols of an object file may have got a
   * prefix after it was compiled (objcopy --prefix-symbols, as those of KVM's code for EL2): its functions tell.
   */
  private dataSymbol(name: string, address: bigint): bigint | undefined {
    let scope = this.functions.at(address);
    while (scope?.isInlined === true && scope.parent !== undefined) scope = scope.parent;
    const inC = (scope && this.functions.name(scope)) ?? '';
    const linked = this.symbols?.covering(address)?.name ?? '';
    const prefix = linked.endsWith(inC) ? linked.slice(0, linked.length - inC.length) : '';
    return this.symbols
      ?.named(inC === '' ? name : prefix + name)
      .find((s) => !s.code && s.kind !== 'absolute' && s.binding !== 'local')?.address;
  }

  /**
   * NOPs that a compiler puts behind a function's symbol, and before what its debug information calls the first
   * instruction (GCC 12 and -fpatchable-function-entry), stand for that instruction; any other address for itself.
   */
  entered(link: bigint): bigint {
    // What costs least comes first: GCC writes its options into the producer.
    const [unit] = this.units.containing(link);
    if (unit?.producer.includes('-fpatchable-function-entry') !== true) return link;
    const symbol = this.symbols?.covering(link);
    if (symbol?.kind !== 'function' || link - symbol.address >= MAX_PADDING) return link;
    if (this.functions.at(link) !== undefined) return link;
    const end = symbol.address + (symbol.size < MAX_PADDING ? symbol.size : MAX_PADDING);
    for (let low = link + INSTRUCTION; low < end; low += INSTRUCTION) {
      const scope = this.functions.at(low);
      if (scope !== undefined) return scope.ranges.some((range) => range.low === low) ? low : link;
    }
    return link;
  }

  /** For the first instruction of a function, where its body begins; any other address as it is. */
  bodyAt(address: bigint): bigint {
    const first = this.entered(address);
    const scope = this.functions.at(first);
    const entry = scope?.ranges[0];
    if (scope === undefined || entry === undefined || scope.isInlined || entry.low !== first) return address;
    return this.lines.bodyOf(scope.unit, entry.low, entry.high);
  }

  /** The struct layout that the file carries (hypervisor/ABI.md); undefined without one, or when it is damaged. */
  get layout(): Layout | undefined {
    if (!this.triedLayout) {
      this.triedLayout = true;
      try {
        this.structs = readLayout(this.elf);
      } catch (error) {
        if (!(error instanceof SymbolError)) throw error;
        this.report(error.message);
      }
    }
    return this.structs;
  }

  private triedLayout = false;
  private structs: Layout | undefined;
}

const wrap = (address: bigint) => BigInt.asUintN(64, address);

/** An image at a place: it turns run-time addresses into link-time addresses and back. */
export class SymbolModule {
  readonly name: string;
  readonly physicalOffset: bigint;
  private readonly declared: Regime | undefined;
  readonly isMovable: boolean;
  private readonly offsetNow: bigint | (() => bigint);

  constructor(
    readonly image: Image,
    spec: ModuleSpec,
    /** Its number, which no other file gets, from 1. */
    readonly id: number,
    private readonly vmidOf: (vm: number) => number | undefined = () => undefined,
  ) {
    this.name = spec.name;
    this.offsetNow = spec.offset ?? 0n;
    this.physicalOffset = spec.physicalOffset ?? 0n;
    this.declared = spec.regime;
    this.isMovable = spec.isMovable ?? false;
  }

  /** Added to link-time addresses to get run-time addresses. */
  get offset(): bigint {
    return typeof this.offsetNow === 'bigint' ? this.offsetNow : this.offsetNow();
  }

  /** Where its addresses are valid; a virtual machine that is meant by its number has the VMID that it has now. */
  get regime(): Regime | undefined {
    const { vm, ...rest } = this.declared ?? {};
    if (vm === undefined) return this.declared;
    const vmid = this.vmidOf(vm);
    return { ...rest, vm, ...(vmid === undefined ? {} : { vmid }) };
  }

  private get isPhysical(): boolean {
    return this.declared?.physical === true;
  }

  /** A guest's p_paddr is an intermediate physical address, so it says nothing about physical memory. */
  private get isGuest(): boolean {
    return this.declared?.vm !== undefined || (this.declared?.vmid ?? 0) !== 0;
  }

  /** The struct layout that the file carries. */
  get layout(): Layout | undefined {
    return this.image.layout;
  }

  /** The link-time addresses that a place may stand for, with how well the module fits. */
  linkAddresses(place: Place): { link: bigint; fit: number }[] {
    const found: { link: bigint; fit: number }[] = [];
    if (typeof place !== 'bigint' && ('pa' in place || place.regime?.physical === true)) {
      const link = this.linkAddressOfPhysical('pa' in place ? place.pa : place.va);
      return link === undefined ? [] : [{ link, fit: 0 }];
    }
    const { va, regime }: { va: bigint; regime?: Regime } = typeof place === 'bigint' ? { va: place } : place;
    const own = this.regime;
    // Its virtual machine is not there (yet).
    const isNowhere = own?.vm !== undefined && own.vmid === undefined;
    const fit = isNowhere ? undefined : regimeFit(own, regime);
    if (fit !== undefined) found.push({ link: wrap(va - this.offset), fit });
    for (const alias of this.layout?.aliases ?? []) {
      const fit = regimeFit(alias.regime, regime);
      const link = wrap(va - this.offset - alias.offset);
      if (fit !== undefined && link >= alias.start && link < alias.end) found.push({ link, fit });
    }
    return found;
  }

  /** Where a link-time address runs: at its own place, and at the aliases that the file declares. */
  runPlaces(link: bigint): { address: bigint; pa: bigint | undefined; regime: Regime | undefined }[] {
    const pa = this.physicalAddress(link);
    const places = [{ address: this.runAddress(link), pa, regime: this.regime }];
    for (const { start, end, offset, regime } of this.layout?.aliases ?? []) {
      const inside = link >= start && link < end;
      // An alias at the place itself adds nothing where that place is already valid in every regime.
      if (!inside || (offset === 0n && this.regime === undefined)) continue;
      const isGuest = (regime.vmid ?? 0) !== 0;
      places.push({ address: this.runAddress(link + offset), pa: isGuest ? undefined : pa, regime });
    }
    return places;
  }

  linkAddressOfPhysical(pa: bigint): bigint | undefined {
    if (this.isGuest) return undefined;
    if (this.isPhysical) return wrap(pa - this.offset);
    return this.image.elf.paddrToVaddr(wrap(pa - this.physicalOffset));
  }

  /** The run-time address of a link-time address. */
  runAddress(link: bigint): bigint {
    return wrap(link + this.offset);
  }

  /** The physical address of a link-time address, by the program headers. */
  physicalAddress(link: bigint): bigint | undefined {
    if (this.isGuest) return undefined;
    if (this.isPhysical) return this.runAddress(link);
    const paddr = this.image.elf.vaddrToPaddr(link);
    return paddr === undefined ? undefined : wrap(paddr + this.physicalOffset);
  }
}
