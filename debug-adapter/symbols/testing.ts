import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

/** A temporary folder in which a test builds programs with the GNU toolchain. */
export class Workshop {
  readonly dir = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), 'ws-symbols-'));

  /** Removes the folder. */
  close(): void {
    fs.rmSync(this.dir, { recursive: true, force: true });
  }

  path(name: string): string {
    return path.join(this.dir, name);
  }

  /** Writes a source file; folders in its name are made. */
  write(name: string, text: string): string {
    const file = this.path(name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text);
    return file;
  }

  /** Runs a command in the folder and gives what it prints; a failure of the command fails the test. */
  run(command: string, ...args: string[]): string {
    const done = spawnSync(command, args, { cwd: this.dir, encoding: 'utf8', maxBuffer: 1 << 28 });
    if (done.error !== undefined) throw done.error;
    if (done.status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${done.stderr}`);
    return done.stdout;
  }

  read(name: string): Uint8Array {
    return new Uint8Array(fs.readFileSync(this.path(name)));
  }
}
