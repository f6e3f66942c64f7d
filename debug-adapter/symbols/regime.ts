import { SymbolError } from './errors';
import type { ExceptionLevel, Regime } from './types';

const levels: ReadonlySet<string> = new Set(['EL0', 'EL1', 'EL2', 'EL3']);

function isLevel(text: string): text is ExceptionLevel {
  return levels.has(text);
}

/** Reads a regime as memory references spell it: `EL2`, `EL1,vmid=1`, `PA`, `` (any). */
export function parseRegime(text: string): Regime {
  const regime: Regime = {};
  for (const part of text.split(',').map((p) => p.trim())) {
    const upper = part.toUpperCase();
    const vmid = /^VMID=(0X[0-9A-F]+|[0-9]+)$/.exec(upper)?.[1];
    // Which vcpu of a machine: code and symbols do not depend on it.
    if (part === '' || /^VCPU=[0-9]+\.[0-9]+$/.test(upper)) continue;
    else if (isLevel(upper)) regime.el = upper;
    else if (upper === 'PA') regime.physical = true;
    else if (vmid !== undefined && Number(vmid) <= 0xffff) regime.vmid = Number(vmid);
    else {
      throw new SymbolError(
        `"${text}" is not a translation regime: write EL0, EL1, EL2, EL3 or PA, with ",vmid=N" for a guest.`,
      );
    }
  }
  return regime;
}

/** The regime as `parseRegime` reads it. */
export function formatRegime(regime: Regime): string {
  const parts = [
    ...(regime.physical === true ? ['PA'] : []),
    ...(regime.el === undefined ? [] : [regime.el]),
    ...(regime.vmid === undefined ? [] : [`vmid=${regime.vmid}`]),
  ];
  return parts.join(',');
}

/** The regime that code of an exception level uses, by the level's number. */
export const regimeName = (level: number): 'EL1' | 'EL2' | 'EL3' =>
  level === 3 ? 'EL3' : level === 2 ? 'EL2' : 'EL1';

/** EL0 and EL1 share their translation regime (Arm ARM DDI 0487 D8.1.2, "EL1&0"). */
const sharedLevel = (el: ExceptionLevel) => (el === 'EL0' ? 'EL1' : el);

/**
 * How well a module's regime fits a question: undefined when it contradicts it, else higher for a closer fit. A part
 * that either side leaves open fits.
 */
export function regimeFit(module: Regime | undefined, asked: Regime | undefined): number | undefined {
  if (module === undefined || asked === undefined) return 0;
  if ((module.physical ?? false) !== (asked.physical ?? false)) return undefined;
  let fit = 0;
  if (module.el !== undefined && asked.el !== undefined) {
    if (sharedLevel(module.el) !== sharedLevel(asked.el)) return undefined;
    fit += module.el === asked.el ? 2 : 1;
  }
  if (module.vmid !== undefined && asked.vmid !== undefined) {
    if (module.vmid !== asked.vmid) return undefined;
    fit += 2;
  }
  return fit;
}

/** An entry of `symbols` in launch.json, as the user wrote it. */
export interface SymbolEntry {
  file: string;
  offset?: string | number;
  regime?: string;
  vmid?: number;
  vm?: number;
}

/** Reads the address fields of an entry of `symbols` in launch.json. */
export function parseSymbolEntry(entry: SymbolEntry): { file: string; offset: bigint; regime?: Regime } {
  const text = String(entry.offset ?? '0')
    .trim()
    .replaceAll('_', '');
  const sign = text.startsWith('-') ? -1n : 1n;
  const digits = text.replace(/^[+-]/, '');
  if (!/^(0[xX][0-9a-fA-F]+|[0-9]+)$/.test(digits)) {
    throw new SymbolError(
      `"symbols" in launch.json has the offset "${entry.offset}" for ${entry.file}: write it as a hexadecimal string such as "0x40000000".`,
    );
  }
  const regime = parseRegime(entry.regime ?? '');
  if (entry.vmid !== undefined) {
    if (!Number.isInteger(entry.vmid) || entry.vmid < 0 || entry.vmid > 0xffff) {
      throw new SymbolError(
        `"symbols" in launch.json has the vmid ${entry.vmid} for ${entry.file}: write a number from 0 to 65535.`,
      );
    }
    regime.vmid = entry.vmid;
  }
  if (entry.vm !== undefined) regime.vm = entry.vm;
  if (entry.vm !== undefined || (regime.vmid ?? 0) !== 0) {
    if (regime.physical === true || regime.el === 'EL2' || regime.el === 'EL3')
      throw new SymbolError(
        `"symbols" in launch.json has the regime "${entry.regime}" for ${entry.file}, where no virtual machine runs: write "EL1", or leave "regime" out.`,
      );
    regime.el ??= 'EL1';
  }
  const known = Object.keys(regime).length > 0;
  return { file: entry.file, offset: sign * BigInt(digits), ...(known ? { regime } : {}) };
}
