/** A run that is measured: what is run, and between which texts on its console. */

export interface RunSpec {
  /** A file: an ELF, or a Linux kernel's image. */
  readonly image: string;
  readonly initrd?: string;
  /** The kernel's command line. */
  readonly append?: string;
  /** Texts of the console, in the order in which they come; the run is over with the line of the last. */
  readonly marks: readonly string[];
}

/** What only our machine can be told. */
export interface OurSpec extends RunSpec {
  readonly interpret: boolean;
  /**
   * As debugged: a breakpoint in code and a watch on a page that the run does not come to, by physical address, and the
   * trace of world switches.
   */
  readonly debugged?: { readonly code: number; readonly data: number };
}

/** What is known of a run when a mark is seen, or between two marks. */
export interface Figures {
  readonly wallMs: number;
  /** Time of the CPU that executes the guest. */
  readonly cpuMs: number;
}

/** The same of our machine: figures that grow. */
export interface OurFigures extends Figures {
  readonly instructions: number;
  /** Of them, those that regions executed. */
  readonly translated: number;
  /** How often a region was entered, and how often one gave its next instruction to the interpreter. */
  readonly entered: number;
  readonly handedBack: number;
  /** TLB misses, and mappings that the guest invalidated. */
  readonly misses: number;
  readonly invalidations: number;
  readonly regions: number;
  readonly dropped: number;
}

export interface Run<F extends Figures> {
  /** From the first mark to each later one. */
  readonly spans: readonly F[];
  /** The console's last characters. */
  readonly text: string;
}

export interface OurRun extends Run<OurFigures> {
  /** MIPS in the last quarter of the run, by CPU time. */
  readonly lateMips: number;
}

/** Looks for the marks in what a console prints, as it comes. */
export class MarkReader<F extends Figures> {
  text = '';
  private readonly seen: F[] = [];
  private from = 0;
  private end: number | undefined;

  constructor(
    private readonly marks: readonly string[],
    private readonly now: () => F,
  ) {}

  see(more: string): void {
    this.text += more.replaceAll('\r', '');
    for (let mark = this.marks[this.seen.length]; mark !== undefined; mark = this.marks[this.seen.length]) {
      const at = this.text.indexOf(mark, this.from);
      // A mark may come in pieces.
      if (at < 0) this.from = Math.max(this.from, this.text.length - mark.length);
      if (at < 0) return;
      this.from = at + mark.length;
      this.seen.push(this.now());
    }
    this.end ??= this.text.indexOf('\n', this.from);
    if (this.end < 0) this.end = undefined;
  }

  /** The first mark has been seen. */
  get started(): boolean {
    return this.seen.length > 0;
  }

  /** Undefined until the line of the last mark is complete. */
  get run(): Run<F> | undefined {
    if (this.end === undefined) return undefined;
    const [first, ...later] = this.seen;
    const since = (f: F): F => ({
      ...f,
      ...Object.fromEntries(
        Object.entries(f).map(([k, v]) => [k, Number(v) - Number(first?.[k as keyof F])]),
      ),
    });
    return { spans: later.map(since), text: this.text.slice(-200) };
  }
}
