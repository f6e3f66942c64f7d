import { unwind } from './dwarf/cfi';
import type { CallerFrame } from './dwarf/cfi';
import type { FrameReader } from './dwarf/expression';
import type { LineBlock } from './dwarf/lines';
import type { Variable } from './dwarf/variables';
import { Image, SymbolModule } from './module';
import { baseName, mapSource, matchPath, normalise } from './paths';
import type { SourceMapEntry } from './paths';
import type {
  BreakpointLocation,
  CodeLocation,
  FunctionAt,
  InlinedCall,
  LineAddresses,
  LineAt,
  ModuleSpec,
  Place,
  SymbolAt,
  SymbolHit,
  SymbolIndexOptions,
} from './types';
import type { ElfSymbol } from './elf-symbols';

/** A source file of the debug information that an editor's path was matched with. */
interface MatchedFile {
  /** The path as it is reported, source map applied. */
  path: string;
  /** The modules that have it, with their own spelling. */
  parts: { module: SymbolModule; path: string }[];
}

const list = (items: readonly string[]) => items.slice(0, 3).join(', ') + (items.length > 3 ? ', ...' : '');

/**
 * The symbols and line tables of all programs that run on the machine: hypervisor, host, guests. It answers in both
 * directions between addresses and names or lines.
 */
export class SymbolIndex {
  private readonly images = new Map<string, Image>();
  private readonly list: SymbolModule[] = [];
  private added = 0;
  private readonly sourceMap: readonly SourceMapEntry[];
  private readonly matches = new Map<string, MatchedFile | string>();

  constructor(private readonly options: SymbolIndexOptions = {}) {
    this.sourceMap = options.sourceMap ?? [];
  }

  /**
   * Adds a file of symbols. Throws a SymbolError when it is not an ELF file that we can use.
   * @param instead a file that it takes the place and the number of
   */
  add(spec: ModuleSpec, instead?: SymbolModule): SymbolModule {
    const at = instead === undefined ? -1 : this.list.indexOf(instead);
    if (instead !== undefined) this.remove(instead);
    let image = this.images.get(spec.name);
    if (image === undefined) {
      image = new Image(spec, this.options.inflate);
      this.images.set(spec.name, image);
    }
    const module = new SymbolModule(image, spec, instead?.id ?? ++this.added, this.options.vmidOf);
    this.list.splice(at < 0 ? this.list.length : at, 0, module);
    this.matches.clear();
    return module;
  }

  /** Takes a file away again, with all that was read of it. */
  remove(module: SymbolModule): void {
    const at = this.list.indexOf(module);
    if (at < 0) return;
    this.list.splice(at, 1);
    if (this.images.get(module.name) === module.image) this.images.delete(module.name);
    this.matches.clear();
  }

  get modules(): readonly SymbolModule[] {
    return this.list;
  }

  /** Damage found in the files so far, each as one sentence. */
  problems(): string[] {
    return [...this.images.values()].flatMap((image) => image.problems);
  }

  /** The modules that may have a place, with its link-time address there, the closest fit first. */
  private resolve(place: Place): { module: SymbolModule; link: bigint; shift: bigint }[] {
    const asked = typeof place === 'bigint' ? place : 'pa' in place ? place.pa : place.va;
    const found = this.list.flatMap((module) =>
      module.linkAddresses(place).map((one) => ({ module, ...one, shift: asked - one.link })),
    );
    const isThere = ({ module, link }: { module: SymbolModule; link: bigint }): boolean =>
      module.isMovable && module.image.elf.vaddrToPaddr(link) !== undefined;
    if (this.hasMovable && !found.some(isThere)) {
      const pa = this.movedTo(place);
      for (const module of pa === undefined ? [] : this.list) {
        const link = module.isMovable && pa !== undefined ? module.linkAddressOfPhysical(pa) : undefined;
        if (link !== undefined) found.push({ module, link, fit: 0, shift: asked - link });
      }
    }
    return found.sort((a, b) => b.fit - a.fit);
  }

  /** Where a virtual address of the host is mapped. The pages of a virtual machine are nobody's code here. */
  private movedTo(place: Place): bigint | undefined {
    if (typeof place === 'bigint' || 'pa' in place || place.regime?.el === undefined) return undefined;
    const { el, vmid, physical } = place.regime;
    const isOwn = physical !== true && (el === 'EL2' || vmid === 0);
    return isOwn ? this.options.physical?.(place.va, el) : undefined;
  }

  /** Whether code of some file may run where its virtual addresses do not tell. */
  private get hasMovable(): boolean {
    return this.list.some((module) => module.isMovable);
  }

  /**
   * The address of a symbol as the code at a place sees it: code that runs elsewhere than its file says has its file's
   * symbols about it.
   */
  addressFrom(place: Place, symbol: SymbolHit): bigint {
    const own = this.resolve(place).find(
      ({ module, link }) => module.name === symbol.file && module.image.elf.vaddrToPaddr(link) !== undefined,
    );
    if (own?.module.isMovable !== true || symbol.kind === 'absolute') return symbol.address;
    return BigInt.asUintN(64, symbol.address - own.module.offset + own.shift);
  }

  /** The symbol that an address belongs to. */
  symbolAt(place: Place): SymbolAt | undefined {
    for (const { module, link, shift } of this.resolve(place)) {
      const symbol = module.image.symbols?.covering(link);
      if (symbol === undefined) continue;
      const address = BigInt.asUintN(64, symbol.address + shift);
      return { ...this.hit(module, symbol), address, offset: link - symbol.address };
    }
    return undefined;
  }

  private hit(module: SymbolModule, symbol: ElfSymbol): SymbolHit {
    return {
      name: symbol.name,
      // An absolute symbol is a value, not a place: it does not move with its file.
      address: symbol.kind === 'absolute' ? symbol.address : module.runAddress(symbol.address),
      size: symbol.size,
      kind: symbol.kind,
      binding: symbol.binding,
      file: module.name,
      regime: module.regime,
    };
  }

  /** All symbols of that name, global ones first within a file. */
  symbolByName(name: string): SymbolHit[] {
    return this.list.flatMap((module) =>
      (module.image.symbols?.named(name) ?? []).map((symbol) => this.hit(module, symbol)),
    );
  }

  /** Where a breakpoint on a function or label belongs (behind a C prologue), with every place where it runs. */
  locationsOfSymbol(name: string): CodeLocation[] {
    const found = this.list.flatMap((module) =>
      (module.image.symbols?.named(name) ?? [])
        .filter((symbol) => symbol.code && symbol.kind !== 'absolute')
        .map(({ address }) => ({ module, address, pa: module.physicalAddress(address) })),
    );
    // Of two files that describe the same code, such as a kernel's image and its vmlinux, the one with lines knows more.
    const knowsMore = found.filter(({ module }) => module.image.lines.present);
    return found
      .filter(
        (one) => knowsMore.includes(one) || !knowsMore.some(({ pa }) => pa !== undefined && pa === one.pa),
      )
      .flatMap(({ module, address }) =>
        module.runPlaces(module.image.bodyAt(address)).map((place) => ({ ...place, file: module.name })),
      );
  }

  /** The function at an address by the debug information, with the inlined calls there, the innermost first. */
  functionAt(place: Place): FunctionAt | undefined {
    for (const { module, link, shift } of this.resolve(place)) {
      const { functions } = module.image;
      const inlined: InlinedCall[] = [];
      let scope = functions.at(module.image.entered(link));
      for (; scope?.isInlined === true && scope.parent !== undefined; scope = scope.parent) {
        const { callFile, callLine, unit } = scope;
        const path = callFile === undefined ? undefined : module.image.lines.fileOf(unit, callFile);
        const callSite =
          path === undefined || callLine === undefined
            ? undefined
            : { path: mapSource(path, this.sourceMap), line: callLine };
        inlined.push({ name: functions.name(scope) ?? '?', callSite });
      }
      const name = scope === undefined ? undefined : functions.name(scope);
      const entry = scope?.ranges[0]?.low;
      if (name === undefined || entry === undefined) continue;
      // NOPs at the entry belong to the function, for whoever calls it.
      const isBefore = module.image.entered(link) !== link;
      const begin = (isBefore ? module.image.symbols?.covering(link)?.address : undefined) ?? entry;
      return { name, address: BigInt.asUintN(64, begin + shift), inlined, file: module.name };
    }
    return undefined;
  }

  /** The caller's frame, by the call frame information at an address; undefined where there is none. */
  unwind(place: Place, frame: FrameReader): CallerFrame | undefined {
    for (const { module, link } of this.resolve(place)) {
      const rules = module.image.frames.rulesAt(module.image.entered(link));
      if (rules !== undefined) return unwind(rules, frame);
    }
    return undefined;
  }

  /**
   * The arguments and local variables of C code at an address.
   * @param outward of functions that are inlined there: 0 is the innermost, 1 the one that it is inlined into, ...
   */
  variablesAt(place: Place, frame: FrameReader, outward = 0): Variable[] {
    for (const { module, link, shift } of this.resolve(place)) {
      const address = module.image.entered(link);
      if (module.image.functions.at(address) === undefined) continue;
      return module.image.variables.at({ address, frame, loadOffset: shift, outward });
    }
    return [];
  }

  /** A C variable of file scope, as the code at an address sees the name; its own file's come first. */
  globalAt(place: Place, name: string, frame: FrameReader): Variable | undefined {
    for (const { module, link, shift } of this.resolve(place)) {
      const found = module.image.variables.global(name, { address: link, frame, loadOffset: shift });
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The constant of a C enumeration, as the code at an address sees the name. */
  enumeratorAt(place: Place, name: string): bigint | undefined {
    for (const { module, link } of this.resolve(place)) {
      const found = module.image.variables.enumerator(name, link);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Names in code that begin with `prefix`, sorted, for completion. */
  functionsMatching(prefix: string, limit: number): SymbolHit[] {
    const found = new Map<string, SymbolHit>();
    for (const image of new Set(this.list.map((m) => m.image))) {
      const module = this.list.find((m) => m.image === image);
      for (const symbol of image.symbols?.codeNamesWith(prefix, limit) ?? []) {
        if (module !== undefined && !found.has(symbol.name)) found.set(symbol.name, this.hit(module, symbol));
      }
    }
    return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1)).slice(0, limit);
  }

  /** The source line of an address. */
  lineAt(place: Place): LineAt | undefined {
    for (const { module, link, shift } of this.resolve(place)) {
      const entered = module.image.entered(link);
      const found = module.image.lines.lineAt(entered);
      if (found === undefined) continue;
      return {
        ...found,
        path: mapSource(found.path, this.sourceMap),
        address: BigInt.asUintN(64, (entered === link ? found.address : link) + shift),
        endAddress: BigInt.asUintN(64, found.endAddress + shift),
        file: module.name,
      };
    }
    return undefined;
  }

  /** The physical address of a run-time virtual address, by the program headers of the module that has it. */
  vaddrToPaddr(place: Place): bigint | undefined {
    for (const { module, link } of this.resolve(place)) {
      if (module.image.elf.vaddrToPaddr(link) !== undefined) return module.physicalAddress(link);
    }
    return undefined;
  }

  /** Finds the source file that an editor's path means; a string says why there is none. */
  private match(wanted: string): MatchedFile | string {
    const known = this.matches.get(wanted);
    if (known !== undefined) return known;
    const result = this.findFile(wanted);
    this.matches.set(wanted, result);
    return result;
  }

  private findFile(wanted: string): MatchedFile | string {
    const base = baseName(normalise(wanted));
    const parts: { module: SymbolModule; path: string; mapped: string }[] = [];
    for (const module of this.list) {
      for (const path of module.image.lines.pathsNamed(base)) {
        parts.push({ module, path, mapped: mapSource(path, this.sourceMap) });
      }
    }
    const match = matchPath(
      wanted,
      parts.map((p) => p.mapped),
    );
    if ('path' in match) {
      return { path: match.path, parts: parts.filter((p) => p.mapped === match.path) };
    }
    if (match.candidates.length > 1) {
      return `${base} could be ${match.candidates.slice(0, 3).join(' or ')}: add a "sourceMap" entry to launch.json that says which folder is meant.`;
    }
    return this.whyUnknown(base);
  }

  private whyUnknown(base: string): string {
    if (this.list.length === 0)
      return 'No program with symbols is loaded: name one in "program" or "symbols".';
    const names = [...new Set(this.list.map((m) => m.name))];
    const withLines = [...new Set(this.list.filter((m) => m.image.lines.present).map((m) => m.name))];
    if (withLines.length === 0) return `${list(names)} has no line information: build it with -g.`;
    return `${base} is not in the line information of ${list(withLines)}: build it with -g, and check that this program contains it.`;
  }

  /** Where the code of a source line is; a line without code slides forward to the next one that has some. */
  addressesOf(path: string, line: number): LineAddresses {
    const nothing = { path, line, addresses: [], locations: [] };
    const file = this.match(path);
    if (typeof file === 'string') return { ...nothing, reason: file };
    let actual = Infinity;
    for (const part of file.parts) {
      const block = firstFrom(part.module.image.lines.blocksOf(part.path), line);
      if (block !== undefined && block.line < actual) actual = block.line;
    }
    if (actual === Infinity) {
      return {
        ...nothing,
        path: file.path,
        reason: `${baseName(path)} has no code at or behind line ${line}.`,
      };
    }
    const locations: CodeLocation[] = [];
    let stopLine = Infinity;
    for (const { module, path } of file.parts) {
      const blocks = module.image.lines.blocksOf(path).filter((block) => block.line === actual);
      for (const link of module.image.stopsFor(blocks.map((block) => block.address))) {
        const stop = module.image.lines.lineAt(link);
        // The first line of a function stops where its body begins: the breakpoint is shown there.
        if (stop?.path === path && stop.line >= actual) stopLine = Math.min(stopLine, stop.line);
        for (const place of module.runPlaces(link)) locations.push({ ...place, file: module.name });
      }
    }
    const shown = stopLine === Infinity ? actual : stopLine;
    return { path: file.path, line: shown, addresses: unique(locations.map((l) => l.address)), locations };
  }

  /** The lines from `fromLine` to `toLine` that have code. */
  breakpointLocations(path: string, fromLine: number, toLine: number): BreakpointLocation[] {
    const file = this.match(path);
    if (typeof file === 'string') return [];
    const found = new Map<string, BreakpointLocation>();
    for (const { module, path } of file.parts) {
      for (const { line, column, address } of module.image.lines.blocksOf(path)) {
        if (line < fromLine || line > toLine) continue;
        const key = `${line}:${column}`;
        let place = found.get(key);
        if (place === undefined) {
          found.set(key, (place = { line, column: column === 0 ? undefined : column, addresses: [] }));
        }
        place.addresses.push(...module.runPlaces(address).map((p) => p.address));
      }
    }
    return [...found.values()]
      .map((place) => ({ ...place, addresses: unique(place.addresses) }))
      .sort((a, b) => a.line - b.line || (a.column ?? 0) - (b.column ?? 0));
  }
}

function unique(addresses: readonly bigint[]): bigint[] {
  return [...new Set(addresses)].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

/** The first block at or behind a line, in blocks that are sorted by line. */
function firstFrom(blocks: readonly LineBlock[], line: number): LineBlock | undefined {
  let lo = 0;
  let hi = blocks.length;
  while (lo < hi) {
    const mid = (lo + hi) >>> 1;
    if ((blocks[mid]?.line ?? 0) < line) lo = mid + 1;
    else hi = mid;
  }
  return blocks[lo];
}
