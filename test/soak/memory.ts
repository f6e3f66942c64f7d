/** What the process holds, and whether that grows. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** V8's collector, which it only shows to who asks. */
export function collector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}

/** Bytes after a collection. */
export interface Sample {
  readonly rss: number;
  readonly heap: number;
  readonly external: number;
}

/** Takes a sample. Code of modules and what finalizers free goes some turns of the event loop after their collection. */
export async function sample(collect: () => void): Promise<Sample> {
  for (let i = 0; i < 3; i++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, heap: heapUsed, external };
}

/** More than the noise of a process that does the same all the time. */
const ALLOWED = { rss: 48 << 20, heap: 4 << 20, external: 4 << 20 } as const;

const median = (of: readonly number[]): number => [...of].sort((a, b) => a - b)[of.length >> 1] ?? 0;

/** What has grown between the first and the last third of the samples, in words; nothing if memory is flat. */
export function growth(samples: readonly Sample[]): string[] {
  const third = Math.max(1, Math.floor(samples.length / 3));
  return (['rss', 'heap', 'external'] as const).flatMap((what) => {
    const [from, to] = [samples.slice(0, third), samples.slice(-third)].map((s) =>
      median(s.map((one) => one[what])),
    );
    const grown = to! - from!;
    const mib = (bytes: number): string => `${(bytes / (1 << 20)).toFixed(1)} MiB`;
    return grown > ALLOWED[what] ? [`${what} grew by ${mib(grown)} from ${mib(from!)}`] : [];
  });
}
