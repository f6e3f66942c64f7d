/** Hover text for system registers, from their rows: encoding, access, fields, what traps it. */
import type { Bits, SysregRow, TrapRule } from '../../emulator/isa/dsl/sysreg';
import { bitRange, genericName } from '../../emulator/isa/dsl/sysreg';

/** Registers by both of their names, `hcr_el2` and `s3_4_c1_c1_0`, in lower case. */
export function registerIndex(rows: readonly SysregRow[]): Map<string, SysregRow> {
  return new Map(
    rows.flatMap((row) => [row.name, genericName(row.enc)].map((name) => [name.toLowerCase(), row] as const)),
  );
}

function accessText({ min, minWrite = min, access = 'rw' }: SysregRow): string {
  if (access === 'ro') return `read from EL${min} up`;
  const writer = minWrite === 'highest' ? 'written at the highest EL' : `written from EL${minWrite} up`;
  if (access === 'wo') return writer;
  return minWrite === min ? `read and written from EL${min} up` : `read from EL${min} up, ${writer}`;
}

function bitsText(bits: Bits): string {
  const { lsb, width } = bitRange(bits);
  return width === 1 ? `${lsb}` : `${lsb + width - 1}:${lsb}`;
}

function trapText({ when, dir, from, to }: TrapRule): string {
  const what = dir === 'r' ? 'a read' : dir === 'w' ? 'a write' : 'an access';
  const levels = (from ?? Array.from({ length: to }, (_, level) => level))
    .map((level) => `EL${level}`)
    .join(' and ');
  return `\`${[when].flat().join(' and ')}\`: ${what} from ${levels} is trapped to EL${to}`;
}

/** The hover for one register. */
export function registerHover(row: SysregRow): string {
  const lines = [`**${row.name}**: ${row.doc}`, `\`${genericName(row.enc)}\`, ${accessText(row)}`];
  if (row.feature !== undefined) lines.push(`Needs FEAT_${row.feature}.`);
  const fields = Object.entries(row.fields ?? {}).sort(([, a], [, b]) => bitRange(b).lsb - bitRange(a).lsb);
  if (fields.length > 0) {
    lines.push(
      [
        '| Bits | Field |',
        '|---:|---|',
        ...fields.map(([name, bits]) => `| ${bitsText(bits)} | ${name} |`),
      ].join('\n'),
    );
  }
  const traps = (row.trap ?? []).map((rule) => `- ${trapText(rule)}`);
  if (traps.length > 0) lines.push(['Trapped while', ...traps].join('\n'));
  return lines.join('\n\n');
}
