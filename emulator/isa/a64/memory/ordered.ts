/** LDAPUR and STLUR of all widths (FEAT_LRCPC2): Arm ARM DDI 0487 C4.1, "LDAPR/STLR (unscaled immediate)". */
import type { Row } from '../../dsl/row';
import { row } from '../row';
import { Flag, type A64 } from '../sem';
import {
  baseAddress,
  encoding,
  generalTransfers,
  rowName,
  sentence,
  signedOffset,
  syndromeFlags,
  transfer,
} from './load-store-common';

export const orderedRows: readonly Row<A64>[] = generalTransfers.map((t) => {
  const m = `${t.load ? 'ldap' : 'stl'}ur${t.suffix}`;
  return row(
    rowName(m, t, 'unscaled offset'),
    encoding(`${t.size} 011001 ${t.opc} 0`, 'imm9:9 00 rn:5 rt:5'),
    {
      asm: `${m} <${t.reg}:rt>, [<xsp:rn>{, #<i:imm9>}]`,
      feature: 'LRCPC2',
      doc: `${sentence(t)} base register plus signed byte offset, with ${t.load ? 'acquire' : 'release'} semantics.`,
      exec(s, f) {
        const va = s.add(baseAddress(s, f.rn), signedOffset(s, f.imm9, 9, 1));
        transfer(s, t, va, f.rt, { flags: syndromeFlags(t) | Flag.aligned | Flag.acqRel });
      },
    },
  );
});
