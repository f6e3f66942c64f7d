/** The commands of the Debug Console: what no expression says. Anything else that is typed there is an expression. */
import { CONSOLE_PORT } from '../../emulator/board/virtio';
import type { TraceEvent } from '../arch/types';
import { UserError } from '../errors';
import { linuxCommands } from '../linux/commands';
import { TRACE_LENGTH } from '../trace/ring';
import { formatAddress, parseSpace, type AddressSpace } from './address-space';
import type { FrameEvaluator } from './evaluate';
import type { Frame } from './frame';
import { hex } from './numbers';
import { summaryText } from './register-items';
import type { StopView } from './stop-view';
import { vmTable } from './vms';

interface Moment {
  readonly view: StopView;
  readonly frame: Frame;
  readonly evaluator: FrameEvaluator;
}

interface Command {
  readonly usage: string;
  readonly help: string;
  /** @throws UserError */
  run(m: Moment, argument: string): string;
}

/** Lines of `trace` without a number. */
const SHOWN = 20;
const INDENT = '  ';
const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

const spaceBefore = /^((?:EL[0123]|IPA|PA)\b[^:?]*):\s*(.+)$/is;

/** What `walk` is to translate: an expression, perhaps with a space of its own, or an address of the last fault. */
function addressOf({ view, frame, evaluator }: Moment, text: string): { space: AddressSpace; value: bigint } {
  const { guest } = view;
  const { reader } = frame.registers;
  const fault = guest.isa.syndrome(frame.level, reader);
  const named = fault?.addresses.find((a) => a.name.toLowerCase() === text.toLowerCase());
  if (named) {
    // The address is one of the code that was interrupted.
    const level = guest.isa.interrupted(frame.level, reader)?.level ?? frame.level;
    const below = guest.spaceOf(level, reader);
    const vmid = below.kind === 'VA' ? below.vmid : undefined;
    const ipa: AddressSpace = { kind: 'IPA', ...(vmid === undefined ? {} : { vmid }) };
    return { space: named.space === 'ipa' ? ipa : below, value: named.value };
  }
  const [, space, rest] = spaceBefore.exec(text) ?? [];
  if (space === undefined || rest === undefined) return evaluator.address(text);
  return { space: parseSpace(space), value: evaluator.address(rest).value };
}

function walk(m: Moment, argument: string): string {
  const { view, frame } = m;
  if (argument === '')
    throw new UserError(
      'There is no address to walk: write it as in walk 0x40080000, walk pc or walk IPA(1):0x9000000.',
    );
  const { space, value } = addressOf(m, argument);
  const lines = view.guest.explain(frame.cpu, space, value);
  return [
    formatAddress(space, value),
    ...lines.map(({ depth, text }) => INDENT.repeat(depth + 1) + text),
  ].join('\n');
}

/** The last exception of a CPU, or that a vcpu has taken to its hypervisor. */
function lastException({ view, frame }: Moment): TraceEvent | undefined {
  const { trace } = view.target;
  const { vcpu } = frame;
  return trace.findLast(
    (e) => vcpu === undefined || (e.vmid === vcpu.vmid && e.to > e.from),
    (kind, cpu) => kind === 'entry' && (vcpu !== undefined || cpu === frame.cpu),
  );
}

function explained({ view }: Moment, e: TraceEvent): string[] {
  const { isa } = view.guest;
  if (e.interrupt) {
    const why = isa.explainInterrupt(e.interrupt, e.from, e.to, e.registers);
    const [from, to] = [isa.levelName(e.from), isa.levelName(e.to)];
    const what = `${e.interrupt} at ${from}, taken to ${to} before the instruction at ${hex(e.pc)}.`;
    return [what, ...(why === undefined ? [] : [`${capital(why)}.`])];
  }
  const { sentence, reason, register, value, details } = isa.decodeSyndrome(e.syndrome, e.to, e.registers);
  const fields = isa.find(register)?.fields ?? [];
  return [
    sentence,
    ...(reason === undefined ? [] : [`${capital(reason)}.`]),
    `${register} = ${summaryText(value, fields)}`,
    ...details.map(
      (d) => `${INDENT}${d.name} = ${hex(d.value)}${d.text === undefined ? '' : ` (${d.text})`}`,
    ),
  ];
}

function why(m: Moment, argument: string): string {
  if (argument !== '') throw new UserError('"why" explains the last exception, and takes nothing behind it.');
  const { view, frame } = m;
  const { target, guest } = view;
  const last = lastException(m);
  const kind = frame.vcpu ? 'plain' : target.arch.instructionKind(frame.cpu);
  const next = guest.isa.explainCall(kind, frame.level, frame.registers.reader);
  const ahead = next === undefined || view.frames(frame.cpu)[0] !== frame ? [] : [`Next: ${next}.`];
  if (last) return [...explained(m, last), target.formatter.line(last).trim(), ...ahead].join('\n');
  if (ahead.length > 0) return ahead.join('\n');
  throw new UserError(`CPU ${frame.cpu} has taken no exception yet: run on until it has.`);
}

function trace({ view }: Moment, argument: string): string {
  const { trace, formatter } = view.target;
  if (argument !== '' && !/^[1-9]\d{0,8}$/.test(argument))
    throw new UserError(
      `"${argument}" is no number of lines: write trace, or trace 50 (up to ${TRACE_LENGTH}).`,
    );
  const lines = trace.last(argument === '' ? SHOWN : Number(argument)).map((e) => formatter.line(e));
  if (lines.length === 0)
    throw new UserError('The trace is empty: run on until the guest takes an exception.');
  return lines.join('\n');
}

function vms({ view, frame }: Moment, argument: string): string {
  if (argument !== '') throw new UserError('"vms" lists all virtual machines, and takes nothing behind it.');
  return vmTable(view, frame.cpu).join('\n');
}

function help({ view }: Moment, argument: string): string {
  const known = commandsOf(view);
  const chosen = Object.entries(known).filter(([name]) => argument === '' || name === argument);
  if (chosen.length === 0)
    throw new UserError(`There is no command "${argument}": there are ${Object.keys(known).join(', ')}.`);
  const width = Math.max(...chosen.map(([, c]) => c.usage.length));
  const rows = chosen.map(([, c]) => `${c.usage.padEnd(width)}  ${c.help}`);
  return [
    ...rows,
    ...(argument === '' ? ['Anything else is an expression, or an assignment such as x0 = 5.'] : []),
  ].join('\n');
}

/** Input for the console that has no terminal. */
function type({ view }: Moment, argument: string): string {
  const { board, computer, machine } = view.target;
  if (!board.hasConsole)
    throw new UserError('The machine has no second console: name "console" in "virtio" of launch.json.');
  if (computer.ended) throw new UserError('The guest has powered off and reads no input.');
  const bytes = new TextEncoder().encode(`${argument}\n`);
  machine.input({ kind: 'input', port: CONSOLE_PORT, bytes });
  return `${CONSOLE_PORT} gets "${argument}" and the end of the line.`;
}

const commands: Readonly<Record<string, Command>> = {
  walk: {
    usage: 'walk ADDRESS',
    help: 'translates an address and shows each table access; the address may be an expression, or name its space as IPA(1):0x9000000 does',
    run: walk,
  },
  why: {
    usage: 'why',
    help: 'explains the last exception: what it was, and which control bit sent it there',
    run: why,
  },
  trace: {
    usage: 'trace [N]',
    help: `shows the last N events of the world-switch trace (${SHOWN})`,
    run: trace,
  },
  vms: {
    usage: 'vms',
    help: 'lists the vcpus of all virtual machines, running or not, with their exits by reason',
    run: vms,
  },
  type: {
    usage: 'type TEXT',
    help: `types a line at the second console, ${CONSOLE_PORT}; it is read when the guest runs`,
    run: type,
  },
  help: { usage: 'help [COMMAND]', help: 'lists the commands', run: help },
};

/** The commands that there are whatever was launched. */
export const commandNames: readonly string[] = Object.keys(commands);

/** The commands that there are: those about Linux where one was launched. */
function commandsOf(view: StopView): Readonly<Record<string, Command>> {
  const { linux } = view.target;
  if (!linux) return commands;
  const own = Object.entries(linuxCommands).map(([name, c]): [string, Command] => [
    name,
    { ...c, run: (_m, argument) => c.run(linux, argument) },
  ]);
  return { ...commands, ...Object.fromEntries(own) };
}

const syntax = /^\s*([a-z]+)(?:\s+(.*?))?\s*$/s;
/** What can only stand behind a variable that is called like a command. */
const operator = /^(?:[-+*/%&|^]?=|<<=|>>=|[-+/%<>|^?.[]|->)/;

/** What a command answers; undefined when the text is none. @throws UserError */
export function runCommand(m: Moment, text: string): string | undefined {
  const [, name = '', argument = ''] = syntax.exec(text) ?? [];
  const known = commandsOf(m.view);
  const command = Object.hasOwn(known, name) ? known[name] : undefined;
  return command && !operator.test(argument) ? command.run(m, argument) : undefined;
}

/** The commands that may stand at the end of a text: at its beginning, or behind `help`. */
export function commandCompletions(view: StopView, text: string): readonly string[] {
  const [, start] = /^\s*(?:help\s+)?([a-z]*)$/.exec(text) ?? [];
  return start === undefined ? [] : Object.keys(commandsOf(view)).filter((name) => name.startsWith(start));
}
