/** The lines of a program of guests/c between which it is measured, and the result. */

export interface GuestRun {
  readonly wallMs: number;
  /** Time of the CPU that executed the guest. */
  readonly cpuMs: number;
  readonly checksum: string;
  readonly instructions: number;
  /** Of them, those that regions executed. */
  readonly translated: number;
  /** How often a region was entered, and how often one gave its next instruction to the interpreter. */
  readonly entered: number;
  readonly handedBack: number;
  /** TLB misses. */
  readonly misses: number;
  readonly regions: number;
  readonly dropped: number;
}

/** Reads what a program prints, as it comes. */
export class MarkReader {
  text = '';
  checksum: string | undefined;
  private begun = false;

  constructor(private readonly on: { readonly begin: () => void; readonly end: () => void }) {}

  see(more: string): void {
    this.text += more;
    if (!this.begun && this.text.includes('begin\n')) {
      this.begun = true;
      this.on.begin();
    }
    const end = /^end ([0-9a-f]{16})\n/m.exec(this.text.replaceAll('\r', ''));
    if (!end || this.checksum !== undefined) return;
    this.on.end();
    this.checksum = end[1];
  }
}
