/** The text of the guest's consoles, line by line, each with the name of its console before it. */
export class ConsoleLines {
  private readonly ports = new Map<string, { line: string; readonly decoder: TextDecoder }>();

  constructor(private readonly print: (line: string) => void) {}

  write(bytes: Uint8Array, port: string): void {
    const console = this.ports.get(port) ?? { line: '', decoder: new TextDecoder() };
    this.ports.set(port, console);
    const lines = (console.line + console.decoder.decode(bytes, { stream: true })).split(/\r?\n/);
    console.line = lines.pop() ?? '';
    for (const line of lines) this.print(`${port} | ${line}`);
  }

  /** Lines that have no end yet. */
  flush(): void {
    for (const [port, console] of this.ports) {
      if (console.line !== '') this.print(`${port} | ${console.line}`);
      console.line = '';
    }
  }
}
