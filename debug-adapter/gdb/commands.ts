/** The packets that are understood (GDB manual, "Packets" and "General Query Packets"), a row each. */
import type { AddressSpace } from '../inspect/address-space';
import { threadName } from '../requests/run';
import type { Command, GdbClient } from './client';
import { runMonitor } from './monitor';
import { fromHex, hexNumber, MALFORMED, PACKET_BYTES, textToHex, toHex } from './packets';
import { runCommands } from './run-commands';
import { threadCpu } from './threads';

const OK = 'OK';
/** EFAULT: memory that is not there. */
const FAULT = 'E0e';

const u64 = (v: bigint): bigint => BigInt.asUintN(64, v);

// --- threads: CPUs, numbered from 1 ---------------------------------------------------------------------------------

const cpus = (c: GdbClient): number[] => [...Array(c.control.target.machine.cpus).keys()];
const threadId = (cpu: number): string => (cpu + 1).toString(16);

function chooseThread(c: GdbClient, rest: string): string {
  const cpu = threadCpu(c, rest.slice(1));
  if (cpu === undefined) return MALFORMED;
  // `Hc` belongs to commands that vCont has replaced.
  if (rest.startsWith('g') && cpu !== 'any') c.cpu = cpu;
  return OK;
}

/** The name of a CPU without its number: `EL1 guest, VM 1 vCPU 0`. */
const about = (c: GdbClient, cpu: number): string => threadName(c.session, cpu).replace(/^CPU \d+: /, '');

const inXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');

function threadsXml(c: GdbClient): string {
  const rows = cpus(c).map(
    (cpu) => `<thread id="${threadId(cpu)}" core="${cpu}" name="CPU ${cpu}">${inXml(about(c, cpu))}</thread>`,
  );
  return ['<?xml version="1.0"?>', '<threads>', ...rows, '</threads>', ''].join('\n');
}

// --- memory ---------------------------------------------------------------------------------------------------------

function spaceOf(c: GdbClient): AddressSpace {
  if (c.space) return c.space;
  const { guest } = c.control.target;
  const read = guest.reader(c.cpu);
  return guest.spaceOf(guest.isa.levelOf(read), read);
}

/** `addr,length` */
function range(text: string): { address: bigint; bytes: number } | undefined {
  const [, at, length] = /^([0-9a-f]+),([0-9a-f]{1,8})$/i.exec(text) ?? [];
  const address = hexNumber(at);
  return address === undefined ? undefined : { address, bytes: Number.parseInt(length ?? '', 16) };
}

function readMemory(c: GdbClient, rest: string): string {
  const r = range(rest);
  if (!r) return MALFORMED;
  const data = c.control.target.guest.read(c.cpu, spaceOf(c), r.address, Math.min(r.bytes, PACKET_BYTES / 2));
  return data.length === 0 && r.bytes > 0 ? FAULT : toHex(data);
}

function writeMemory(c: GdbClient, where: string, data: Uint8Array | undefined): string {
  const r = range(where);
  if (!r || data?.length !== r.bytes) return MALFORMED;
  if (r.bytes === 0) return OK;
  const { guest } = c.control.target;
  const space = spaceOf(c);
  if (guest.writable(c.cpu, space, r.address, r.bytes) < r.bytes) return FAULT;
  guest.write(c.cpu, space, u64(r.address), data);
  c.hooks.changed();
  return OK;
}

/** What stands before and behind the first colon. */
function halves(text: string): [string, string] {
  const at = text.indexOf(':');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

// --- registers ------------------------------------------------------------------------------------------------------

function writeRegister(c: GdbClient, rest: string): string {
  const [, number, digits = ''] = /^([0-9a-f]+)=([0-9a-f]+)$/i.exec(rest) ?? [];
  const n = hexNumber(number);
  if (n === undefined || !c.registers.set(c.cpu, n, digits)) return MALFORMED;
  c.hooks.changed();
  return OK;
}

function writeRegisters(c: GdbClient, rest: string): string {
  if (!c.registers.setAll(c.cpu, rest)) return MALFORMED;
  c.hooks.changed();
  return OK;
}

// --- breakpoints ----------------------------------------------------------------------------------------------------

/** `type,addr,kind`, perhaps with conditions, which nobody has offered. */
function breakpoint(c: GdbClient, rest: string, set: boolean): string {
  const [, type = '', at, size = ''] = /^([0-4]),([0-9a-f]+),([0-9a-f]{1,8})$/i.exec(rest) ?? [];
  const address = hexNumber(at);
  if (address === undefined) return /^[0-4],/.test(rest) ? MALFORMED : '';
  const n = Number.parseInt(size, 16);
  const isDone = set
    ? c.breakpoints.insert(type, address, n, spaceOf(c))
    : c.breakpoints.remove(type, address, n);
  return isDone ? OK : '';
}

// --- queries --------------------------------------------------------------------------------------------------------

const offered = [
  `PacketSize=${PACKET_BYTES.toString(16)}`,
  'QStartNoAckMode+',
  'qXfer:features:read+',
  'qXfer:threads:read+',
  'vContSupported+',
  'swbreak+',
  'hwbreak+',
];

function supported(c: GdbClient, rest: string): string {
  for (const word of rest.replace(/^:/, '').split(';'))
    if (word.endsWith('+')) c.knows.add(word.slice(0, -1));
  return offered.join(';');
}

/** `offset,length` of a document. */
function part(document: string, rest: string): string {
  const r = range(rest);
  if (!r) return MALFORMED;
  const from = Number(r.address < BigInt(document.length) ? r.address : BigInt(document.length));
  const length = Math.min(r.bytes, PACKET_BYTES - 4);
  const end = from + length;
  return `${end < document.length ? 'm' : 'l'}${document.slice(from, end)}`;
}

function monitor(c: GdbClient, rest: string): string {
  const bytes = fromHex(rest);
  if (!bytes) return MALFORMED;
  const text = runMonitor(c, Buffer.from(bytes).toString('utf8'));
  if (text !== '') c.wire.send(`O${textToHex(`${text}\n`)}`);
  return OK;
}

const leave: Command = (c) => {
  c.wire.send(OK);
  c.wire.close();
  return undefined;
};

const KILL = 'gdb has asked to kill the guest: it has been detached, and the session stays.';

/** By the beginning of the packet; the longest that fits counts. */
const commands: Readonly<Record<string, Command>> = {
  ...runCommands,
  '?': (c) => c.status(),
  H: chooseThread,
  T: (c, rest) => (threadCpu(c, rest) === undefined ? MALFORMED : OK),
  qC: (c) => `QC${threadId(c.cpu)}`,
  qfThreadInfo: (c) => `m${cpus(c).map(threadId).join(',')}`,
  qsThreadInfo: () => 'l',
  'qThreadExtraInfo,': (c, rest) => {
    const cpu = threadCpu(c, rest);
    return typeof cpu === 'number' ? textToHex(about(c, cpu)) : MALFORMED;
  },
  'qXfer:threads:read::': (c, rest) => part(threadsXml(c), rest),
  'qXfer:features:read:target.xml:': (c, rest) => part(c.registers.description(), rest),
  'qXfer:features:read:': () => 'E00',
  g: (c) => c.registers.all(c.cpu),
  G: writeRegisters,
  p: (c, rest) => {
    const n = hexNumber(rest);
    return (n === undefined ? undefined : c.registers.get(c.cpu, n)) ?? MALFORMED;
  },
  P: writeRegister,
  m: readMemory,
  M: (c, rest) => {
    const [where, digits] = halves(rest);
    return writeMemory(c, where, fromHex(digits));
  },
  X: (c, rest) => {
    const [where, data] = halves(rest);
    return writeMemory(c, where, Uint8Array.from(Buffer.from(data, 'latin1')));
  },
  Z: (c, rest) => breakpoint(c, rest, true),
  z: (c, rest) => breakpoint(c, rest, false),
  qSupported: supported,
  QStartNoAckMode: (c) => {
    c.wire.send(OK);
    c.wire.stopAcknowledging();
    return undefined;
  },
  // The machine was there before gdb: "quit" leaves it alone.
  qAttached: () => '1',
  qSymbol: () => OK,
  'qRcmd,': monitor,
  // The names that QEMU has for it.
  'qqemu.PhyMemMode': (c) => (c.space?.kind === 'PA' ? '1' : '0'),
  'Qqemu.PhyMemMode:': (c, rest) => {
    c.space = rest === '1' ? { kind: 'PA' } : undefined;
    return OK;
  },
  D: leave,
  k: (c) => {
    c.hooks.message(KILL);
    c.wire.close();
    return undefined;
  },
  vKill: (c, rest) => {
    c.hooks.message(KILL);
    return leave(c, rest);
  },
};

const longestName = Math.max(...Object.keys(commands).map((name) => name.length));

/** The answer to a packet; empty for what is not understood, as the protocol has it. */
export function answer(c: GdbClient, data: string): string | undefined {
  for (let length = Math.min(longestName, data.length); length > 0; length--) {
    const name = data.slice(0, length);
    if (Object.hasOwn(commands, name)) return commands[name]?.(c, data.slice(length));
  }
  return '';
}
