import { spawnSync } from 'node:child_process';

/** How long an oracle may take, in ms: what takes a second here may take a minute beside other work. Less than mocha's limit. */
export const ORACLE_LIMIT = 120_000;

const found = new Map<string, boolean>();

/** Whether a command can be started on this machine. */
export function hasTool(tool: string): boolean {
  let known = found.get(tool);
  if (known === undefined) {
    known = spawnSync(tool, ['--version'], { stdio: 'ignore' }).error === undefined;
    found.set(tool, known);
  }
  return known;
}

/**
 * Skips the running test visibly when an external oracle is not installed. With WS_REQUIRE_ORACLES=1 (CI) a missing
 * oracle is a failure, so that a green run there means that every comparison was made.
 */
export function requireTool(ctx: Mocha.Context, ...tools: string[]): void {
  const missing = tools.filter((tool) => !hasTool(tool));
  if (missing.length === 0) return;
  if (process.env['WS_REQUIRE_ORACLES'] === '1') {
    throw new Error(`${missing.join(', ')} must be installed when WS_REQUIRE_ORACLES=1.`);
  }
  ctx.skip();
}
