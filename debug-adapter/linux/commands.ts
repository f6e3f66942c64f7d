/** Commands of the Debug Console that are there when a Linux kernel was launched. */
import { UserError } from '../errors';
import { SymbolError } from '../symbols/errors';
import type { LinuxKernel } from './kernel';
import { messageLines } from './printk';
import type { Task } from './tasks';

interface LinuxCommand {
  readonly usage: string;
  readonly help: string;
  /** @throws UserError */
  run(kernel: LinuxKernel, argument: string): string;
}

/** What `read` gives; what it cannot find is told to the user. */
function asked<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof SymbolError ? new UserError(error.message) : error;
  }
}

const counted = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;

/** As ps has it: threads of the kernel in brackets. */
const nameOf = ({ isKernel, name }: Task): string => (isKernel ? `[${name}]` : name);

function tasks(kernel: LinuxKernel, argument: string): string {
  if (argument !== '') throw new UserError('"tasks" lists all tasks, and takes nothing behind it.');
  const all = asked(() => kernel.tasks.all());
  if (all.length === 0)
    throw new UserError(
      `The tasks were not found: ${kernel.percpu?.how === undefined ? 'no code tells where the run queues are' : 'the kernel has none yet, run on until it has set up its scheduler'}.`,
    );
  const rows = [
    ['PID', 'PPID', 'S', 'CPU', 'NAME'],
    ...all.map((t) => [
      `${t.pid}`,
      `${t.parent ?? '?'}`,
      t.state,
      t.cpu === undefined ? '' : `${t.cpu}`,
      `${nameOf(t)}${t.pid === t.tgid || t.pid === 0 ? '' : ` (thread of ${t.tgid})`}`,
    ]),
  ];
  const lines = rows.map(
    ([pid = '', parent = '', state = '', cpu = '', name = '']) =>
      `${pid.padStart(5)} ${parent.padStart(5)} ${state} ${cpu.padStart(3)}  ${name}`,
  );
  return [
    ...lines,
    `${counted(all.length, 'task')}, from the idle task of the run queue of CPU 0, which was found ${kernel.percpu?.how}.`,
  ].join('\n');
}

function dmesg(kernel: LinuxKernel, argument: string): string {
  if (argument !== '' && !/^[1-9]\d{0,8}$/.test(argument))
    throw new UserError(`"${argument}" is no number of messages: write dmesg, or dmesg 20 for the last 20.`);
  const { list, how } = asked(() => kernel.messages.messages());
  const shown = argument === '' ? list : list.slice(-Number(argument));
  return [
    ...shown.flatMap(messageLines),
    `${counted(list.length, 'message')}, in the ring buffer found ${how}.`,
  ].join('\n');
}

export const linuxCommands: Readonly<Record<string, LinuxCommand>> = {
  tasks: {
    usage: 'tasks',
    help: 'lists the processes and threads of the Linux kernel, as ps does',
    run: tasks,
  },
  dmesg: {
    usage: 'dmesg [N]',
    help: 'shows the messages of the Linux kernel, or the last N, from its memory',
    run: dmesg,
  },
};
