/** Why an access to a system register trapped, in words, from the rules of its row. */
import { sysregNamed } from '.';
import { explainControl } from './controls';

/**
 * The rule by which an access from `el` traps with these register values, as text such as
 * `HCR_EL2.TVM = 1: a write of TTBR0_EL1 at EL1 is taken to EL2, EC 0x18`; undefined if none does.
 */
export function explainAccess(
  name: string,
  dir: 'r' | 'w',
  el: number,
  read: (register: string) => bigint,
): string | undefined {
  const rule = (sysregNamed(name).trap ?? []).find(
    (t) =>
      (t.dir ?? dir) === dir &&
      (t.from ?? [0, 1].slice(0, t.to)).includes(el) &&
      [t.when].flat().every((c) => explainControl(c, read).holds),
  );
  if (!rule) return undefined;
  const because = [rule.when].flat().map((c) => explainControl(c, read).text);
  const tge = rule.to === 1 && el === 0 && explainControl('HCR_EL2.TGE', read).holds;
  if (tge) because.push('HCR_EL2.TGE = 1');
  const what = dir === 'r' ? 'a read' : 'a write';
  return `${because.join(', ')}: ${what} of ${name} at EL${el} is taken to EL${tge ? 2 : rule.to}, EC 0x18`;
}
