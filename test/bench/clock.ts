/** Time that threads have had a CPU: what remains comparable while other processes run on the machine. */
import { readdirSync, readFileSync } from 'node:fs';

const NS_PER_MS = 1e6;

function onCpuMs(file: string): number {
  return Number(readFileSync(file, 'latin1').split(' ')[0]) / NS_PER_MS;
}

/**
 * CPU time of this process's first thread, which runs the guest; V8 optimises on others, on another CPU. 0 where the
 * system does not tell.
 */
export function cpuMs(): number {
  return process.platform === 'linux' ? onCpuMs(`/proc/self/task/${process.pid}/schedstat`) : 0;
}

/** CPU time of all threads of another process. */
export function processCpuMs(pid: number): number {
  if (process.platform !== 'linux') return 0;
  const tasks = readdirSync(`/proc/${pid}/task`);
  return tasks.reduce((sum, task) => sum + onCpuMs(`/proc/${pid}/task/${task}/schedstat`), 0);
}
