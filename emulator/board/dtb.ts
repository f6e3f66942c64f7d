/** Writes flattened device trees (Devicetree Specification 0.4, chapter 5; header version 17). */

/** A property's value: text, a list of strings, 32-bit cells, bytes as they are, or nothing. */
export type Property =
  | string
  | readonly string[]
  | { readonly cells: readonly number[] }
  | { readonly bytes: Uint8Array }
  | { readonly flag: true };

/** Memory that a kernel must leave alone. */
export interface Reservation {
  readonly address: bigint;
  readonly size: bigint;
}

export interface DtNode {
  readonly name: string;
  readonly properties: Readonly<Record<string, Property>>;
  readonly children?: readonly DtNode[];
}

export const TREE_MAGIC = 0xd00dfeed;
export const TREE_HEADER = 40;
export const Token = { beginNode: 1, endNode: 2, property: 3, nop: 4, end: 9 } as const;

/** Cells of a `reg`-like value with #address-cells = #size-cells = 2. */
export function wide(...values: readonly bigint[]): { cells: number[] } {
  return {
    cells: values.flatMap((v) => [Number(BigInt.asUintN(32, v >> 32n)), Number(BigInt.asUintN(32, v))]),
  };
}

class Bytes {
  private readonly out: number[] = [];

  get length(): number {
    return this.out.length;
  }

  word(v: number): void {
    this.out.push((v >>> 24) & 0xff, (v >>> 16) & 0xff, (v >>> 8) & 0xff, v & 0xff);
  }

  text(s: string): void {
    this.out.push(...new TextEncoder().encode(s), 0);
  }

  add(bytes: Iterable<number>): void {
    for (const b of bytes) this.out.push(b);
  }

  align(): void {
    while (this.out.length % 4) this.out.push(0);
  }

  done(): Uint8Array {
    return Uint8Array.from(this.out);
  }
}

function encode(p: Property): Uint8Array {
  const b = new Bytes();
  if (typeof p === 'string') b.text(p);
  else if ('cells' in p) for (const c of p.cells) b.word(c);
  else if ('bytes' in p) b.add(p.bytes);
  else if (!('flag' in p)) for (const s of p) b.text(s);
  return b.done();
}

/** The blob for a tree; `root` has an empty name. */
export function flatten(root: DtNode, reserved: readonly Reservation[] = []): Uint8Array {
  const strings = new Bytes();
  const offsets = new Map<string, number>();
  const nameAt = (name: string): number => {
    const known = offsets.get(name);
    if (known !== undefined) return known;
    const at = strings.length;
    offsets.set(name, at);
    strings.text(name);
    return at;
  };

  const structure = new Bytes();
  const put = (node: DtNode): void => {
    structure.word(Token.beginNode);
    structure.text(node.name);
    structure.align();
    for (const [name, value] of Object.entries(node.properties)) {
      const data = encode(value);
      structure.word(Token.property);
      structure.word(data.length);
      structure.word(nameAt(name));
      structure.add(data);
      structure.align();
    }
    for (const child of node.children ?? []) put(child);
    structure.word(Token.endNode);
  };
  put(root);
  structure.word(Token.end);

  // The memory reservation block ends with an empty entry; it must stand at a multiple of 8.
  const reservations = new Bytes();
  for (const { address, size } of [...reserved, { address: 0n, size: 0n }])
    for (const cell of wide(address, size).cells) reservations.word(cell);
  const structureAt = TREE_HEADER + reservations.length;
  const stringsAt = structureAt + structure.length;
  const header = new Bytes();
  const total = Math.ceil((stringsAt + strings.length) / 8) * 8;
  for (const v of [
    TREE_MAGIC,
    total,
    structureAt,
    stringsAt,
    TREE_HEADER,
    17,
    16,
    0,
    strings.length,
    structure.length,
  ])
    header.word(v);
  const blob = new Uint8Array(total);
  blob.set(header.done(), 0);
  blob.set(reservations.done(), TREE_HEADER);
  blob.set(structure.done(), structureAt);
  blob.set(strings.done(), stringsAt);
  return blob;
}
