/**
 * Instructions that GNU objdump knows and no row describes, by the feature that brings them. All of Armv8.0 is there; a row that is
 * added must leave this list (absent.test.ts sees to it).
 */

const words = (text: string): ReadonlySet<string> => new Set(text.split(' '));

/** Whole mnemonics. */
export const absent: Readonly<Record<string, ReadonlySet<string>>> = {
  BFloat16: words('bfcvt bfcvtn bfcvtn2 bfdot bfmlalb bfmlalt bfmmla'),
  'SM3, SM4': words('sm3partw1 sm3partw2 sm3ss1 sm3tt1a sm3tt1b sm3tt2a sm3tt2b sm4e sm4ekey'),
  'memory tagging': words('addg subg gmi irg subp subps cmpp ldg ldgm stg stgm stgp stzg stzgm st2g stz2g'),
  'Armv8.7 and later': words('ld64b st64b st64bv st64bv0 wfet wfit ctz tcancel tstart ttest udf'),
};

/** Families of mnemonics. */
export const absentFamilies: Readonly<Record<string, RegExp>> = {
  'memory copy and set': /^(cpyf?[pme]|setg?[pme])[wrtn]*$/,
  'Armv8.8 hinted branches': /^bc\./,
};

/** Forms of mnemonics that have rows: what the word looks like, and the feature. */
export const absentForms: readonly { readonly text: RegExp; readonly feature: string }[] = [
  // Objdump does not look at bit 22.
  { text: /^fml[as]l2? v\d+\.[24]s, v\d+\.[24]h, v\d+\.[24]h$/, feature: 'unallocated' },
  { text: /^dsb (osh|nsh|ish|sy)nxs$/, feature: 'Armv8.7 XS' },
  { text: /^(abs|cnt) [wx]\d|^(abs|cnt) [wx]zr|^[su](max|min) [wx]/, feature: 'CSSC' },
  // Objdump prints a register where op0 has no meaning: bits 20 and 19 are 0x.
  { text: /^(mrs|msr) .*s[01]_/, feature: 'unallocated' },
];
