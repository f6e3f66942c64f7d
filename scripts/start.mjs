/**
 * npm start                     build, and open the sample hypervisor in VS Code with the extension loaded
 * npm start -- --web            the same in the embedded workbench (a browser), whatever VS Code is installed
 * npm start -- --trace [FILE]   no editor: boot FILE (an ELF, a .S or a folder; default the sample) and print the
 *                               world-switch trace and what the guest writes on its UART
 *
 * The sample is opened in place, not as a copy: what is edited there is what `--trace` and the tests run, and
 * `git diff` shows it. The command "Worldswitch: Open Sample" makes a copy.
 */
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { installDependencies, run } from './dependencies.mjs';
import { installExtension, installWorkbench, root, startWorkbench } from './workbench.mjs';

const sample = path.join(root, 'hypervisor', 'arm64');
const cache = path.join(root, '.cache', 'start');
/** The port that the embedded workbench tries first, so that its address stays the same. */
const PORT = 8371;

/**
 * Headless: the exit code is that of the trace.
 * @param {string[]} args
 */
function trace(args) {
  run('node', ['esbuild.mjs'], { quiet: true });
  const result = spawnSync(process.execPath, [path.join(root, 'dist', 'trace.js'), ...args], {
    stdio: 'inherit',
    cwd: process.env.INIT_CWD ?? process.cwd(),
  });
  process.exitCode = result.status ?? 1;
}

/** @returns {string | undefined} why the user's own VS Code cannot be used; undefined when it can */
function whyNotCode() {
  if (process.env.SSH_CONNECTION || process.env.VSCODE_IPC_HOOK_CLI || process.env.CODESPACES) {
    return 'this terminal is not on the machine of the screen';
  }
  if (process.getuid?.() === 0) return 'VS Code does not run as root';
  if (process.platform === 'linux' && !process.env.DISPLAY && !process.env.WAYLAND_DISPLAY)
    return 'there is no display';
  const asked = spawnSync('code', ['--version'], { encoding: 'utf8', shell: process.platform === 'win32' });
  if (asked.status !== 0) return 'there is no `code` command';
  const version = asked.stdout.split('\n')[0] ?? '';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const { engines } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const [needMajor, needMinor] = engines.vscode.replace(/^\D*/, '').split('.').map(Number);
  if (major < needMajor || (major === needMajor && minor < needMinor)) {
    return `its version ${version} is older than ${needMajor}.${needMinor}`;
  }
  return undefined;
}

/** The user's own VS Code, in a window and a profile of its own. */
function openCode() {
  run('node', ['esbuild.mjs'], { quiet: true });
  console.log(
    'Opening the sample in your VS Code (`code`), in a new window with its own settings and the extension loaded.',
  );
  run('code', [
    '--new-window',
    '--user-data-dir',
    path.join(cache, 'code'),
    '--disable-workspace-trust',
    `--extensionDevelopmentPath=${root}`,
    sample,
    path.join(sample, 'README.md'),
    path.join(sample, 'hyp-init.S'),
  ]);
}

/** The same token at every start keeps an open browser tab valid. */
function connectionToken() {
  const file = path.join(cache, 'token');
  if (!existsSync(file)) writeFileSync(file, randomBytes(16).toString('hex'), { mode: 0o600 });
  return readFileSync(file, 'utf8');
}

/**
 * VS Code's web workbench on loopback.
 * @param {string} why
 * @param {{ browser: boolean }} options
 */
async function openWeb(why, { browser }) {
  mkdirSync(cache, { recursive: true });
  installWorkbench(console.log);
  const state = path.join(cache, 'web');
  const vsix = path.join(cache, 'worldswitch.vsix');
  // Installed from a package, as a user has it: it stays when another folder is opened in the same window.
  run('npx', ['vsce', 'package', '--no-dependencies', '--out', vsix], { quiet: true });
  rmSync(path.join(state, 'extensions'), { recursive: true, force: true });
  installExtension(state, vsix);
  const server = await startWorkbench({ state, port: PORT, token: connectionToken() });
  const url = server.url(sample);
  console.log(
    `Embedded workbench, because ${why}. It is open on this machine only, at\n\n  ${url}\n\nCtrl-C stops it.`,
  );
  let stopping = false;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      stopping = true;
      void server.stop();
    });
  }
  if (browser) openBrowser(url);
  await server.exited;
  if (!stopping) {
    console.error(`The workbench ended by itself. Its last words:\n${server.output()}`);
    process.exitCode = 1;
  }
}

/**
 * Best effort: the address has been printed.
 * @param {string} url
 */
function openBrowser(url) {
  const display = process.env.DISPLAY || process.env.WAYLAND_DISPLAY;
  const opener =
    process.platform === 'darwin' ? 'open' : process.platform === 'linux' && display ? 'xdg-open' : undefined;
  if (opener === undefined || process.env.SSH_CONNECTION) return;
  spawn(opener, [url], { stdio: 'ignore', detached: true })
    .on('error', () => undefined)
    .unref();
}

async function main() {
  const args = process.argv.slice(2);
  const [major = 0] = process.versions.node.split('.').map(Number);
  if (major < 20)
    throw new Error(`Worldswitch needs Node 20 or newer; this is Node ${process.versions.node}.`);
  const flags = ['--web', '--no-browser'];
  const unknown = args[0] === '--trace' ? undefined : args.find((arg) => !flags.includes(arg));
  if (unknown !== undefined) {
    throw new Error(`npm start does not know "${unknown}". It takes --web, --no-browser, or --trace [FILE].`);
  }
  installDependencies();
  if (args[0] === '--trace') return trace(args.slice(1));
  const why = args.includes('--web') ? '--web asks for it' : whyNotCode();
  if (why === undefined) openCode();
  else await openWeb(why, { browser: !args.includes('--no-browser') });
}

main().catch((error) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
