/** Thread ids of gdb: CPU n is thread n+1, as in DAP; -1 and 0 mean all and any. */
import type { GdbClient } from './client';

/** The CPU of a thread id; undefined when there is no such thread. */
export function threadCpu(c: GdbClient, text: string): number | 'any' | undefined {
  // With its multiprocess feature, which is not offered, it would be p1.1.
  if (text === '-1' || text === '0') return 'any';
  const id = /^[0-9a-f]{1,4}$/i.test(text) ? Number.parseInt(text, 16) : 0;
  return id >= 1 && id <= c.control.target.machine.cpus ? id - 1 : undefined;
}
