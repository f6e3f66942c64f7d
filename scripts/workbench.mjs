/**
 * The embedded workbench: VS Code's own server and web workbench, taken from the npm package code-server (whose
 * wrapper is not used) and cached in .cache/workbench. For `npm start` where no VS Code is at hand, and for the
 * tests in test/vscode. Plain Node: it runs before the project's dependencies are there.
 */
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

const CODE_SERVER = '4.139.1';
/** The server needs Node 24; these packages are the plain binary. */
const NODE = '24.21.0';
const NODE_PACKAGES = ['linux-x64', 'linux-arm64', 'win-x64'];

const installed = path.join(root, '.cache', 'workbench');
const stamp = `code-server ${CODE_SERVER}, node ${NODE}, spdlog.mjs 1\n`;

/** What the workbench asks, offers and phones home by default, switched off. */
const SETTINGS = {
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'extensions.autoUpdate': false,
  'workbench.startupEditor': 'none',
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.enableExperiments': false,
  'chat.disableAIFeatures': true,
  'git.enabled': false,
  'debug.toolBarLocation': 'docked',
  'security.workspace.trust.enabled': false,
};

/** @returns {string} the Node 24 binary that runs the server */
function serverNode() {
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  const name = `${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  if (!NODE_PACKAGES.includes(name)) {
    throw new Error(
      `The embedded workbench needs Node 24 on ${name}; this is Node ${process.versions.node}. ` +
        'Install Node 24, or VS Code 1.100 or newer with its `code` command on the PATH.',
    );
  }
  const binary = process.platform === 'win32' ? 'node.exe' : 'node';
  return path.join(installed, 'node_modules', `node-${name}`, 'bin', binary);
}

/**
 * @param {string} folder
 * @param {string[]} args
 */
function npm(folder, args) {
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const result = spawnSync('npm', [...args, ...quiet], {
    cwd: folder,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  if (result.status !== 0) {
    throw new Error(
      `npm ${args.join(' ')} failed in ${folder}. Check the network and npm's registry setting, then run the command again.\n` +
        `${result.stderr ?? result.error?.message ?? ''}`,
    );
  }
}

/**
 * Installs the workbench once (about 800 MB, half a minute); later calls return at once.
 * @param {(line: string) => void} log
 */
export function installWorkbench(log) {
  const ready = path.join(installed, '.ready');
  const isThere = () => existsSync(ready) && readFileSync(ready, 'utf8') === stamp;
  if (isThere()) return;
  serverNode();
  log(`Installing the embedded workbench (code-server ${CODE_SERVER}) into .cache/workbench, once ...`);
  // Built beside its place and renamed, so that an interrupted or a concurrent install leaves no half of one.
  const building = `${installed}.${process.pid}`;
  rmSync(building, { recursive: true, force: true });
  mkdirSync(building, { recursive: true });
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  writeFileSync(
    path.join(building, 'package.json'),
    JSON.stringify({
      private: true,
      dependencies: {
        'code-server': CODE_SERVER,
        ...(NODE_PACKAGES.includes(name.slice('node-'.length)) ? { [name]: NODE } : {}),
      },
    }),
  );
  npm(building, ['install']);
  // Not `npm ci`: the package's own shrinkwrap is out of step with its package.json.
  const vscode = path.join(building, 'node_modules', 'code-server', 'lib', 'vscode');
  npm(vscode, ['install', '--omit=dev']);
  const spdlog = path.join(vscode, 'node_modules', '@vscode', 'spdlog');
  cpSync(path.join(root, 'scripts', 'spdlog.mjs'), path.join(spdlog, 'index.mjs'));
  writeFileSync(
    path.join(spdlog, 'package.json'),
    JSON.stringify({ name: '@vscode/spdlog', main: 'index.mjs' }),
  );
  writeFileSync(path.join(building, '.ready'), stamp);
  // Somebody else was faster, and runs what he has installed.
  if (isThere()) return rmSync(building, { recursive: true });
  rmSync(installed, { recursive: true, force: true });
  renameSync(building, installed);
}

/** @returns {Promise<number>} a TCP port that is free on loopback now */
export function freePort(wanted = 0) {
  return new Promise((resolve, reject) => {
    const probe = net.createServer();
    probe.once('error', (error) => (wanted === 0 ? reject(error) : resolve(freePort())));
    probe.listen(wanted, '127.0.0.1', () => {
      const address = probe.address();
      const port = typeof address === 'object' && address ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}

/** @param {string} url */
function answers(url) {
  return new Promise((resolve) => {
    http
      .get(url, (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      })
      .on('error', () => resolve(false));
  });
}

/**
 * The command line of the server, with every folder that it writes inside `state`.
 * @param {string} state
 * @param {string[]} args
 */
function command(state, args) {
  const main = path.join(installed, 'node_modules', 'code-server', 'lib', 'vscode', 'out', 'server-main.js');
  return {
    file: serverNode(),
    args: [
      main,
      '--accept-server-license-terms',
      '--telemetry-level=off',
      '--disable-workspace-trust',
      `--user-data-dir=${path.join(state, 'user')}`,
      `--server-data-dir=${path.join(state, 'server')}`,
      `--extensions-dir=${path.join(state, 'extensions')}`,
      ...args,
    ],
    env: { ...process.env, EXTENSIONS_GALLERY: '{}', HOME: path.join(state, 'home') },
  };
}

/**
 * Installs a packaged extension into the workbench whose data is in `state`.
 * @param {string} state
 * @param {string} vsix
 */
export function installExtension(state, vsix) {
  const { file, args, env } = command(state, ['--install-extension', vsix, '--force']);
  const result = spawnSync(file, args, { env, encoding: 'utf8' });
  if (result.status !== 0 || !/successfully installed/.test(result.stdout)) {
    throw new Error(`The workbench did not take ${vsix}:\n${result.stdout}${result.stderr}`);
  }
}

/**
 * Starts the server on loopback and waits until it answers.
 * @param {object} options
 * @param {string} options.state      folder for everything that the workbench writes
 * @param {number} [options.port]     the port that is tried first
 * @param {string} [options.token]    connection token: without one any local web page could drive the workbench
 * @param {Record<string, unknown>} [options.settings]  user settings beside the defaults of this file
 * @param {string[]} [options.args]   further arguments of the server
 */
export async function startWorkbench({ state, port: wanted, token, settings = {}, args: more = [] }) {
  for (const folder of ['home', 'user/User', 'server', 'extensions']) {
    mkdirSync(path.join(state, folder), { recursive: true });
  }
  const settingsFile = path.join(state, 'user', 'User', 'settings.json');
  if (!existsSync(settingsFile)) {
    writeFileSync(settingsFile, JSON.stringify({ ...SETTINGS, ...settings }, null, 2));
  }
  const port = await freePort(wanted);
  const { file, args, env } = command(state, [
    '--host=127.0.0.1',
    `--port=${port}`,
    token === undefined ? '--without-connection-token' : `--connection-token=${token}`,
    ...more,
  ]);
  const server = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [server.stdout, server.stderr]) {
    stream.on('data', (chunk) => (output = (output + chunk).slice(-20_000)));
  }
  /** @type {Promise<void>} */
  const exited = new Promise((resolve) => server.once('exit', () => resolve()));
  const stop = async () => {
    server.kill();
    await exited;
  };
  const origin = `http://127.0.0.1:${port}`;
  const deadline = Date.now() + 60_000;
  while (!(await answers(`${origin}/version`))) {
    if (server.exitCode !== null || Date.now() > deadline) {
      await stop();
      throw new Error(`The embedded workbench did not start. Its last words:\n${output}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }

  return {
    port,
    origin,
    exited,
    stop,
    /** What the server wrote last, for a failed test. */
    output: () => output,
    /**
     * The address that opens a folder.
     * @param {string} folder
     * @param {[string, string][]} [payload] workbench options such as `extensionDevelopmentPath`
     */
    url(folder, payload) {
      const query = new URLSearchParams({ folder, ...(token === undefined ? {} : { tkn: token }) });
      if (payload) query.set('payload', JSON.stringify(payload));
      return `${origin}/?${query}`;
    },
    /**
     * A file of this machine, as the page in the browser names it.
     * @param {string} file
     */
    remote: (file) => `vscode-remote://127.0.0.1:${port}${file}`,
  };
}
