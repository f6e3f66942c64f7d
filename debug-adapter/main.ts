/** The debug adapter: DAP on stdin and stdout. */
import { createServer } from './adapter';
import { useBuiltInterpreter } from './launch/interpreter';
import { useWasmFeatures } from './launch/wasm-features';

// Nothing that goes wrong outside of a request may end the session without a word.
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  });
}

useWasmFeatures();
useBuiltInterpreter();
createServer().start(process.stdin, process.stdout);
