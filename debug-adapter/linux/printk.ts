/**
 * The kernel's messages, from the ring buffer in its memory (Linux, kernel/printk/printk_ringbuffer.c, from 5.10 on): what
 * dmesg shows, also before there is a console, and when nothing runs any more.
 */
import { SymbolError } from '../symbols/errors';
import { referencesIn } from '../symbols/linux/references';
import type { KernelImage } from './kernel-image';
import { KernelType } from './memory';

export interface KernelMessage {
  readonly seq: bigint;
  /** Nanoseconds since boot. */
  readonly time: bigint;
  /** 0 (emergency) to 7 (debug). */
  readonly level: number;
  readonly text: string;
}

/** Functions that read the ring buffer. */
const USERS = [
  'kmsg_dump_get_line',
  'kmsg_dump_get_buffer',
  'devkmsg_read',
  'devkmsg_open',
  'syslog_print',
  'syslog_print_all',
];
const POINTER = 'prb';
/** Sizes of ring buffers as powers of two: of descriptors, and of text in bytes. */
const SIZES = { 'desc_ring.count_bits': [5n, 20n], 'text_data_ring.size_bits': [10n, 30n] } as const;
/** A descriptor's word: two bits of state above the number of the descriptor. */
const ID_BITS = 62n;
/** States in which a message can be read: committed, finalized. */
const READABLE: ReadonlySet<bigint> = new Set([1n, 2n]);
/** Before the text of a message stands the number of its descriptor. */
const BLOCK_HEADER = 8n;

export class MessageBuffer {
  private readonly ring: KernelType;
  private readonly desc: KernelType;
  private readonly info: KernelType;
  /** Offset in the image of the pointer to the buffer, and the function whose code told. */
  private found: { readonly offset: bigint; readonly user: string } | undefined;

  /** @throws SymbolError for a kernel without the types of a ring buffer */
  constructor(private readonly kernel: KernelImage) {
    const named = (name: string): KernelType => {
      const type = kernel.types?.named(`struct ${name}`);
      if (!type)
        throw new SymbolError(
          `This kernel does not describe its messages (struct ${name}): look at its console, or build it with CONFIG_DEBUG_INFO_BTF (Linux 5.10 or newer).`,
        );
      return new KernelType(kernel.memory, type);
    };
    this.ring = named('printk_ringbuffer');
    this.desc = named('prb_desc');
    this.info = named('printk_info');
  }

  /** Where the buffer is, and how that was found; undefined where it cannot be found. */
  private place(): { readonly address: bigint; readonly how: string } | undefined {
    const { kernel } = this;
    const symbol = kernel.symbol(POINTER);
    const named = symbol === undefined ? undefined : this.follow(symbol);
    if (named !== undefined) return { address: named, how: `by the symbol ${POINTER}` };
    this.found ??= this.find();
    const address = this.found && this.follow(kernel.address(this.found.offset));
    return address === undefined
      ? undefined
      : { address, how: `by the code of ${this.found?.user}, which loads the pointer to it` };
  }

  private find(): typeof this.found {
    const { kernel } = this;
    for (const user of USERS)
      for (const code of kernel.codeOf(user))
        for (const offset of referencesIn(kernel.image, code).loaded)
          if (this.follow(kernel.address(BigInt(offset))) !== undefined)
            return { offset: BigInt(offset), user };
    return undefined;
  }

  /** What a pointer points to, if that can be a ring buffer. */
  private follow(pointer: bigint): bigint | undefined {
    const { ring, kernel } = this;
    const at = kernel.memory.pointer(pointer);
    if (at === undefined || at >> 48n !== 0xffffn) return undefined;
    const sizes = Object.entries(SIZES).map(([path, range]) => ({ bits: ring.number(at, path), range }));
    const parts = ['desc_ring.descs', 'desc_ring.infos', 'text_data_ring.data'].map((p) =>
      ring.number(at, p),
    );
    const isSize = ({ bits, range: [least, most] }: (typeof sizes)[number]): boolean =>
      bits !== undefined && bits >= least && bits <= most;
    const isPart = (a: bigint | undefined): boolean =>
      a !== undefined && a >> 48n === 0xffffn && kernel.memory.bytes(a, 8) !== undefined;
    return sizes.every(isSize) && parts.every(isPart) ? at : undefined;
  }

  /**
   * All messages that are still there, the oldest first, and how they were found.
   * @throws SymbolError when there is no buffer (yet)
   */
  messages(): { readonly how: string; readonly list: readonly KernelMessage[] } {
    const place = this.place();
    if (!place)
      throw new SymbolError(
        'The buffer of kernel messages was not found: the kernel has not set up its memory yet, or it is one that this debugger does not know.',
      );
    return { how: place.how, list: this.read(place.address) };
  }

  private read(at: bigint): KernelMessage[] {
    const { ring } = this;
    const [countBits = 0n, descs = 0n, infos = 0n, head = 0n, tail = 0n, sizeBits = 0n, data = 0n] = [
      'desc_ring.count_bits',
      'desc_ring.descs',
      'desc_ring.infos',
      'desc_ring.head_id',
      'desc_ring.tail_id',
      'text_data_ring.size_bits',
      'text_data_ring.data',
    ].map((path) => ring.number(at, path));
    const count = 1n << countBits;
    const list: KernelMessage[] = [];
    const ids = (1n << ID_BITS) - 1n;
    for (let n = 0n, id = tail; n < count; n++, id = (id + 1n) & ids) {
      const index = id & (count - 1n);
      const message = this.message(
        descs + index * BigInt(this.desc.type.size),
        infos + index * BigInt(this.info.type.size),
        id,
        { data, sizeBits },
      );
      if (message) list.push(message);
      if (id === head) break;
    }
    return list;
  }

  private message(
    desc: bigint,
    info: bigint,
    id: bigint,
    ring: { readonly data: bigint; readonly sizeBits: bigint },
  ): KernelMessage | undefined {
    const state = this.desc.number(desc, 'state_var');
    if (state === undefined || !READABLE.has(state >> ID_BITS)) return undefined;
    if ((state & ((1n << ID_BITS) - 1n)) !== id) return undefined;
    const [begin = 1n, next = 1n] = ['text_blk_lpos.begin', 'text_blk_lpos.next'].map((p) =>
      this.desc.number(desc, p),
    );
    const [seq = 0n, time = 0n, length = 0n, level = 0n] = ['seq', 'ts_nsec', 'text_len', 'level'].map((p) =>
      this.info.number(info, p),
    );
    return { seq, time, level: Number(level), text: this.text(begin, next, Number(length), ring) };
  }

  /** The text of a block of data, whose positions count on where the ring begins again. */
  private text(
    begin: bigint,
    next: bigint,
    length: number,
    { data, sizeBits }: { readonly data: bigint; readonly sizeBits: bigint },
  ): string {
    // Odd positions say that a message has no text.
    if ((begin & 1n) === 1n || length === 0) return '';
    const size = 1n << sizeBits;
    // A block is never split: one that does not fit before the end is at the start.
    const isSplit = begin >> sizeBits !== next >> sizeBits && (next & (size - 1n)) !== 0n;
    const at = isSplit ? 0n : begin & (size - 1n);
    const room = Number(isSplit ? next & (size - 1n) : next - begin) - Number(BLOCK_HEADER);
    const bytes = this.kernel.memory.bytes(data + at + BLOCK_HEADER, Math.max(0, Math.min(length, room)));
    return bytes ? Buffer.from(bytes).toString('utf8') : '';
  }
}

/** A message as dmesg prints it: each line with the time in seconds. */
export function messageLines({ time, text }: KernelMessage): string[] {
  const micro = time / 1000n;
  const seconds = String(micro / 1_000_000n).padStart(5);
  const stamp = `[${seconds}.${String(micro % 1_000_000n).padStart(6, '0')}] `;
  return text.split('\n').map((line) => stamp + line);
}
