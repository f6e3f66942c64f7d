/** Reads flattened device trees (Devicetree Specification 0.4, chapter 5), as somebody else's compiler wrote them. */
import { BootError } from './elf';
import { type DtNode, type Property, type Reservation, Token, TREE_HEADER, TREE_MAGIC } from './dtb';

/** A tree and the memory that its header reserves. */
export interface ReadTree {
  readonly root: DtNode;
  readonly reserved: readonly Reservation[];
}

const damaged = (what: string): BootError =>
  new BootError(
    `The device tree is damaged (${what}): compile it again with dtc, and name the .dtb file as "dtb".`,
  );
/** Deeper than any real tree: what is deeper is nonsense, and would exhaust the stack. */
const MAX_DEPTH = 64;

class Cursor {
  private readonly view: DataView;

  constructor(
    private readonly bytes: Uint8Array,
    public at: number,
    private readonly end: number,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  word(): number {
    const v = this.view.getUint32(this.take(4));
    return v;
  }

  wide(): bigint {
    return this.view.getBigUint64(this.take(8));
  }

  raw(length: number): Uint8Array {
    const from = this.take(length);
    return this.bytes.slice(from, from + length);
  }

  /** A string that ends in NUL. */
  text(): string {
    const nul = this.bytes.indexOf(0, this.at);
    if (nul < 0 || nul >= this.end) throw damaged('a name has no end');
    const s = new TextDecoder('latin1').decode(this.bytes.subarray(this.at, nul));
    this.at = nul + 1;
    return s;
  }

  align(): void {
    this.at = (this.at + 3) & ~3;
  }

  private take(length: number): number {
    const from = this.at;
    if (length < 0 || from + length > this.end) throw damaged('it ends too early');
    this.at += length;
    return from;
  }
}

/** The nodes of a blob; values of properties are bytes. @throws BootError */
export function unflatten(blob: Uint8Array): ReadTree {
  const header = new Cursor(blob, 0, Math.min(blob.length, TREE_HEADER));
  if (blob.length < TREE_HEADER || header.word() !== TREE_MAGIC)
    throw new BootError(
      'This is no flattened device tree: compile the source with dtc, and name the .dtb file as "dtb".',
    );
  const [total = 0, structureAt = 0, stringsAt = 0, reservedAt = 0, version = 0, compatible = 0] = Array.from(
    { length: 6 },
    () => header.word(),
  );
  if (total > blob.length) throw damaged('it is shorter than its header says');
  if (version < 16 || compatible > 17)
    throw new BootError(
      `This device tree has version ${version}, not 17: compile its source with a newer dtc.`,
    );
  const c = new Cursor(blob, structureAt, total);
  const token = (): number => {
    for (;;) {
      const t = c.word();
      if (t !== Token.nop) return t;
    }
  };
  const node = (depth: number): DtNode => {
    if (depth > MAX_DEPTH) throw damaged('nodes are nested too deeply');
    const name = c.text();
    c.align();
    const properties: Record<string, Property> = {};
    const children: DtNode[] = [];
    for (;;) {
      const t = token();
      if (t === Token.endNode) return { name, properties, children };
      if (t === Token.beginNode) children.push(node(depth + 1));
      else if (t === Token.property) {
        const [length, nameAt] = [c.word(), c.word()];
        const key = new Cursor(blob, stringsAt + nameAt, total).text();
        properties[key] = { bytes: c.raw(length) };
        c.align();
      } else throw damaged(`token ${t}`);
    }
  };
  if (token() !== Token.beginNode) throw damaged('it has no root');
  const root = node(0);
  const reserved: Reservation[] = [];
  const r = new Cursor(blob, reservedAt, total);
  for (let entry = [r.wide(), r.wide()]; entry.some((v) => v !== 0n); entry = [r.wide(), r.wide()])
    reserved.push({ address: entry[0] ?? 0n, size: entry[1] ?? 0n });
  return { root, reserved };
}

/** The tree with these properties in /chosen, which is made if there is none. */
export function withChosen(root: DtNode, properties: Readonly<Record<string, Property>>): DtNode {
  const children = root.children ?? [];
  const chosen = children.find((n) => n.name === 'chosen') ?? { name: 'chosen', properties: {} };
  const changed = { ...chosen, properties: { ...chosen.properties, ...properties } };
  return { ...root, children: [...children.filter((n) => n.name !== 'chosen'), changed] };
}
