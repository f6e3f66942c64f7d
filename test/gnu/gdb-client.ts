/** gdb-multiarch as a person uses it, by its machine interface: commands, their text, and stops that come later. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { ORACLE_LIMIT } from '../support/oracles';

/** What a command has said. */
export interface Said {
  /** What gdb prints, and what the target prints (`monitor`). */
  readonly text: string;
  readonly error: string | undefined;
}

/** `*stopped,reason="breakpoint-hit",...` */
export interface GdbStop {
  readonly record: string;
  readonly reason: string | undefined;
  readonly signal: string | undefined;
  readonly pc: bigint | undefined;
  readonly thread: string | undefined;
}

const unquoted = (text: string): string => JSON.parse(text.replaceAll('\\e', '\\u001b')) as string;
const field = (record: string, name: string): string | undefined =>
  new RegExp(`(?:[,{])${name}="((?:[^"\\\\]|\\\\.)*)"`).exec(record)?.[1];

export class Gdb {
  private readonly child: ChildProcessWithoutNullStreams;
  private lines: string[] = [];
  private rest = '';
  private token = 1;
  private wake: () => void = () => undefined;
  /** Everything, for the message of a failure. */
  private all = '';

  constructor(args: readonly string[] = []) {
    this.child = spawn('gdb-multiarch', ['-nx', '-q', '--interpreter=mi2', ...args], { stdio: 'pipe' });
    const take = (data: Buffer): void => {
      const text = data.toString('utf8');
      this.all += text;
      const lines = (this.rest + text).split('\n');
      this.rest = lines.pop() ?? '';
      this.lines.push(...lines);
      this.wake();
    };
    this.child.stdout.on('data', take);
    this.child.stderr.on('data', take);
  }

  /** gdb, attached to a port of this machine. */
  static async attach(port: number, ...args: string[]): Promise<Gdb> {
    const gdb = new Gdb(args);
    for (const s of ['pagination off', 'confirm off', 'width 0', 'remotetimeout 60'])
      await gdb.ok(`set ${s}`);
    await gdb.ok('set architecture aarch64');
    await gdb.ok(`target remote 127.0.0.1:${port}`);
    gdb.lines = [];
    return gdb;
  }

  private async line(): Promise<string> {
    const deadline = Date.now() + ORACLE_LIMIT;
    for (;;) {
      const line = this.lines.shift();
      if (line !== undefined) return line;
      if (Date.now() > deadline) throw new Error(`gdb says nothing more: ${this.all.slice(-2000)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 500);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** A command of the console. */
  async say(command: string): Promise<Said> {
    const token = this.token++;
    this.child.stdin.write(`${token}-interpreter-exec console ${JSON.stringify(command)}\n`);
    let text = '';
    for (;;) {
      const line = await this.line();
      const [, kind, quoted = ''] = /^([~@&])(".*")\s*$/.exec(line) ?? [];
      // & repeats the command, and has warnings and the text of errors.
      if (quoted !== '' && !(kind === '&' && unquoted(quoted) === `${command}\n`)) text += unquoted(quoted);
      if (!line.startsWith(`${token}^`)) continue;
      const error = line.includes('^error') ? unquoted(`"${field(line, 'msg') ?? ''}"`) : undefined;
      return { text, error };
    }
  }

  /** A command that must succeed. @returns what it prints */
  async ok(command: string): Promise<string> {
    const { text, error } = await this.say(command);
    if (error !== undefined) throw new Error(`gdb: ${command}: ${error}`);
    return text;
  }

  /** Lets the guest run, without waiting for its stop. */
  async run(command: string): Promise<void> {
    await this.ok(command);
  }

  /** The next stop, with what the target has printed before it. */
  async stop(): Promise<GdbStop & { readonly said: string }> {
    let said = '';
    for (;;) {
      const line = await this.line();
      const [, quoted] = /^@(".*")\s*$/.exec(line) ?? [];
      if (quoted !== undefined) said += unquoted(quoted);
      if (!line.startsWith('*stopped')) continue;
      const pc = field(line, 'addr');
      return {
        record: line,
        reason: field(line, 'reason'),
        signal: field(line, 'signal-name'),
        pc: pc === undefined ? undefined : BigInt(pc),
        thread: field(line, 'thread-id'),
        said,
      };
    }
  }

  /** Runs to the next stop. */
  async until(command: string): ReturnType<Gdb['stop']> {
    await this.run(command);
    return this.stop();
  }

  /** A number. */
  async value(expression: string): Promise<bigint> {
    const text = await this.ok(`output/x (unsigned long)(${expression})`);
    return BigInt(text.trim());
  }

  /** Ctrl-C. */
  interrupt(): void {
    this.child.kill('SIGINT');
  }

  /** Ends gdb as "quit" does. */
  async quit(): Promise<void> {
    if (this.child.exitCode !== null) return;
    const ended = new Promise<void>((resolve) => this.child.once('exit', () => resolve()));
    this.child.stdin.write('-gdb-exit\n');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 5000);
    await ended;
    clearTimeout(timer);
  }
}
