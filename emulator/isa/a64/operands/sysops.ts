/** Names of the operations of AT, DC, IC and TLBI (Arm ARM DDI 0487 C5.3, C5.4, C5.5). */

export interface SystemOperation {
  readonly instruction: 'at' | 'dc' | 'ic' | 'tlbi';
  readonly name: string;
  /** op1, CRn, CRm, op2. */
  readonly encoding: readonly [number, number, number, number];
  readonly takesRegister: boolean;
}

type Line = readonly [names: string, op1: number, crm: number, op2: readonly number[]];

/** In each line the names and, in the same order, their op2. A name with `!` takes no register. */
const tables: readonly (readonly [SystemOperation['instruction'], number, readonly Line[]])[] = [
  [
    'at',
    7,
    [
      ['s1e1r s1e1w s1e0r s1e0w', 0, 8, [0, 1, 2, 3]],
      ['s1e1rp s1e1wp', 0, 9, [0, 1]],
      ['s1e2r s1e2w s12e1r s12e1w s12e0r s12e0w', 4, 8, [0, 1, 4, 5, 6, 7]],
      ['s1e3r s1e3w', 6, 8, [0, 1]],
    ],
  ],
  [
    'dc',
    7,
    [
      ['ivac isw', 0, 6, [1, 2]],
      ['csw', 0, 10, [2]],
      ['cisw', 0, 14, [2]],
      ['zva', 3, 4, [1]],
      ['cvac', 3, 10, [1]],
      ['cvau', 3, 11, [1]],
      ['cvap', 3, 12, [1]],
      ['cvadp', 3, 13, [1]],
      ['civac', 3, 14, [1]],
    ],
  ],
  [
    'ic',
    7,
    [
      ['ialluis!', 0, 1, [0]],
      ['iallu!', 0, 5, [0]],
      ['ivau', 3, 5, [1]],
    ],
  ],
  [
    'tlbi',
    8,
    [
      ['vmalle1os! vae1os aside1os vaae1os vale1os vaale1os', 0, 1, [0, 1, 2, 3, 5, 7]],
      ['rvae1is rvaae1is rvale1is rvaale1is', 0, 2, [1, 3, 5, 7]],
      ['vmalle1is! vae1is aside1is vaae1is vale1is vaale1is', 0, 3, [0, 1, 2, 3, 5, 7]],
      ['rvae1os rvaae1os rvale1os rvaale1os', 0, 5, [1, 3, 5, 7]],
      ['rvae1 rvaae1 rvale1 rvaale1', 0, 6, [1, 3, 5, 7]],
      ['vmalle1! vae1 aside1 vaae1 vale1 vaale1', 0, 7, [0, 1, 2, 3, 5, 7]],
      ['ipas2e1is ripas2e1is ipas2le1is ripas2le1is', 4, 0, [1, 2, 5, 6]],
      ['alle2os! vae2os alle1os! vale2os vmalls12e1os!', 4, 1, [0, 1, 4, 5, 6]],
      ['rvae2is rvale2is', 4, 2, [1, 5]],
      ['alle2is! vae2is alle1is! vale2is vmalls12e1is!', 4, 3, [0, 1, 4, 5, 6]],
      ['ipas2e1os ipas2e1 ripas2e1 ripas2e1os', 4, 4, [0, 1, 2, 3]],
      ['ipas2le1os ipas2le1 ripas2le1 ripas2le1os', 4, 4, [4, 5, 6, 7]],
      ['rvae2os rvale2os', 4, 5, [1, 5]],
      ['rvae2 rvale2', 4, 6, [1, 5]],
      ['alle2! vae2 alle1! vale2 vmalls12e1!', 4, 7, [0, 1, 4, 5, 6]],
      ['alle3os! vae3os vale3os', 6, 1, [0, 1, 5]],
      ['rvae3is rvale3is', 6, 2, [1, 5]],
      ['alle3is! vae3is vale3is', 6, 3, [0, 1, 5]],
      ['rvae3os rvale3os', 6, 5, [1, 5]],
      ['rvae3 rvale3', 6, 6, [1, 5]],
      ['alle3! vae3 vale3', 6, 7, [0, 1, 5]],
    ],
  ],
];

export const systemOperations: readonly SystemOperation[] = tables.flatMap(([instruction, crn, lines]) =>
  lines.flatMap(([names, op1, crm, op2s]) =>
    names.split(' ').map((marked, i): SystemOperation => ({
      instruction,
      name: marked.replace('!', ''),
      encoding: [op1, crn, crm, op2s[i] ?? 0],
      takesRegister: !marked.endsWith('!'),
    })),
  ),
);
