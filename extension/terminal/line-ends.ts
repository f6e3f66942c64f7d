/**
 * Guest output for a terminal emulator: a lone line feed gets its carriage return (the ONLCR of a tty), and UTF-8
 * sequences may be split over two chunks.
 */
export class UartText {
  private readonly decoder = new TextDecoder();
  private last = '\n';

  /** Whether the next character begins a line. */
  get atLineStart(): boolean {
    return this.last === '\n';
  }

  /** The text of the next bytes. */
  decode(bytes: Uint8Array): string {
    let text = '';
    for (const char of this.decoder.decode(bytes, { stream: true })) {
      text += char === '\n' && this.last !== '\r' ? '\r\n' : char;
      this.last = char;
    }
    return text;
  }
}
