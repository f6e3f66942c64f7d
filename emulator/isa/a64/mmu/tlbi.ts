/** TLBI: which translations each operation invalidates, in terms of TLB banks (Arm ARM DDI 0487 D8.13.5). */
import type { StateField } from '../../../ir/nodes';
import { ContextKey } from './context';
import { regimes } from './regimes';
import { state } from '../state';
import { sysregNamed } from '../sysregs';

/** How far an operation reaches. */
type Scope =
  /** EL1&0 of the current VMID, or EL2&0 for a host. */
  | 'current'
  /** The same of one ASID. */
  | 'asid'
  /** EL1&0 of the current VMID. */
  | 'vmid'
  /** EL1&0 of the current security state, all VMIDs. */
  | 'el1'
  | 'el2'
  | 'el3';

export interface TlbiOp {
  readonly name: string;
  readonly scope: Scope;
  /** Only the page of the address in the operand. */
  readonly byVa: boolean;
  /** The address is an IPA. */
  readonly byIpa: boolean;
  /** The operand gives a range of addresses (FEAT_TLBIRANGE). */
  readonly range: boolean;
  /** Reaches the inner or outer shareable domain: all CPUs. */
  readonly broadcast: boolean;
  /** The control of HCR_EL2 that traps what EL1 does to that domain (FEAT_EVT). */
  readonly domain?: 'TTLBIS' | 'TTLBOS';
  readonly feature?: 'TLBIRANGE' | 'TLBIOS';
  readonly min: 1 | 2 | 3;
}

/**
 * Global entries belong to every ASID, and each bank has its own copy: so VAE1 visits all ASIDs of the VMID. An IPA
 * cannot be looked up in a TLB that holds both stages combined: IPAS2E1 drops the VMID.
 */
const base: readonly (readonly [name: string, scope: Scope, byVa: boolean, min: 1 | 2 | 3])[] = [
  ['vmalle1', 'current', false, 1],
  ['vae1', 'current', true, 1],
  ['aside1', 'asid', false, 1],
  ['vaae1', 'current', true, 1],
  ['vale1', 'current', true, 1],
  ['vaale1', 'current', true, 1],
  ['ipas2e1', 'vmid', false, 2],
  ['ipas2le1', 'vmid', false, 2],
  ['alle2', 'el2', false, 2],
  ['vae2', 'el2', true, 2],
  ['alle1', 'el1', false, 2],
  ['vale2', 'el2', true, 2],
  ['vmalls12e1', 'vmid', false, 2],
  ['alle3', 'el3', false, 3],
  ['vae3', 'el3', true, 3],
  ['vale3', 'el3', true, 3],
];

/** The operations by their number in host calls. */
export const tlbiOps: readonly TlbiOp[] = base.flatMap(([name, scope, byVa, min]) => {
  const domains = (prefix: string): TlbiOp[] => {
    const range = prefix === 'r';
    const byIpa = name.startsWith('ipas2');
    const same = { scope, byVa, byIpa, min, range };
    const ranged = range ? ({ feature: 'TLBIRANGE' } as const) : {};
    return [
      { ...same, ...ranged, name: `${prefix}${name}`, broadcast: false },
      { ...same, ...ranged, name: `${prefix}${name}is`, broadcast: true, domain: 'TTLBIS' },
      {
        ...same,
        feature: 'TLBIOS',
        ...ranged,
        name: `${prefix}${name}os`,
        broadcast: true,
        domain: 'TTLBOS',
      },
    ];
  };
  return [...domains(''), ...(byVa || name.startsWith('ipas2') ? domains('r') : [])];
});

/** Contexts whose key has `value` in the bits `mask` of ctxKey[0]. */
export interface BankMatch {
  readonly mask: bigint;
  readonly value: bigint;
}

/** The parts of a context's key that matter. */
type KeyParts = Partial<Record<keyof typeof ContextKey, number>>;

/** Those with given values in parts of their key. */
function contextsWith(parts: KeyParts): BankMatch {
  let [mask, value] = [0n, 0n];
  for (const [name, v] of Object.entries(parts)) {
    const [lsb, width] = ContextKey[name as keyof typeof ContextKey];
    mask |= ((1n << BigInt(width)) - 1n) << BigInt(lsb);
    value |= BigInt(v) << BigInt(lsb);
  }
  return { mask, value };
}

/** What to drop: see TlbSelection of core/tlb-maintenance. */
export interface TlbiSelection {
  readonly bank: BankMatch;
  readonly va?: bigint;
  /** From `va` on so many bytes; one byte when undefined. */
  readonly bytes?: bigint;
  /** What the operation must drop, where the rest says more. */
  readonly exact?: TlbiSelection;
}

/** VA[55:12] as the address that a TLB knows: bit 55 says which half of the address space. */
const canonical = (address: bigint): bigint => BigInt.asUintN(64, BigInt.asIntN(56, address));

/** The range in an operand: BaseADDR, NUM, SCALE and the granule TG (D8.13.5); TTL is a hint. */
function rangeOf(operand: bigint): Pick<TlbiSelection, 'va' | 'bytes'> {
  const field = (lsb: bigint, width: bigint): bigint => (operand >> lsb) & ((1n << width) - 1n);
  const shift = [undefined, 12n, 14n, 16n][Number(field(46n, 2n))];
  // A reserved granule: everything may go.
  if (shift === undefined) return {};
  const pages = (field(39n, 5n) + 1n) << (5n * field(44n, 2n) + 1n);
  const base = BigInt.asIntN(37, field(0n, 37n)) << shift;
  return { va: BigInt.asUintN(64, base), bytes: pages << shift };
}

/** What says which contexts an operation means, besides its scope: registers, and the ASID in the operand. */
interface Situation {
  readonly vmid: number;
  readonly asid: number;
  readonly secure: boolean;
  readonly e2h: boolean;
  /** A host's operations for EL1&0 act on its own regime, EL2&0, and those for EL2 whenever EL2 has that regime. */
  readonly host: boolean;
}

function partsOf(scope: Scope, { vmid, asid, secure, e2h, host }: Situation): KeyParts {
  const el1 = { regime: regimes.el10.key, secure: secure ? 1 : 0 };
  const inVmid = { ...el1, vmid };
  const ofEl2 = { regime: (e2h ? regimes.el20 : regimes.el2).key };
  const current = host ? ofEl2 : inVmid;
  const scopes: Record<Scope, KeyParts> = {
    current,
    asid: { ...current, asid },
    vmid: inVmid,
    el1,
    el2: ofEl2,
    el3: { regime: regimes.el3.key },
  };
  return scopes[scope];
}

const scopeNumbers: Readonly<Record<Scope, number>> = {
  current: 0,
  asid: 1,
  vmid: 2,
  el1: 3,
  el2: 4,
  el3: 5,
};

/** A kernel that patches itself does the same some ten thousand times: what has been worked out, by scope and situation. */
const known = new Map<number, BankMatch>();
const KNOWN = 4096;

function contextsOf(scope: Scope, s: Situation): BankMatch {
  const flags = (s.secure ? 1 : 0) | (s.e2h ? 2 : 0) | (s.host ? 4 : 0) | (scopeNumbers[scope] << 3);
  const asid = scope === 'asid' ? s.asid : 0;
  const key = flags + 64 * (s.vmid + 65536 * asid);
  let match = known.get(key);
  if (match) return match;
  if (known.size >= KNOWN) known.clear();
  known.set(key, (match = contextsWith(partsOf(scope, s))));
  return match;
}

const storage = (register: string): StateField => sysregNamed(register).storage!.field;
const registers = {
  vtcr: storage('VTCR_EL2'),
  vttbr: storage('VTTBR_EL2'),
  hcr: storage('HCR_EL2'),
  tcr1: storage('TCR_EL1'),
  tcr2: storage('TCR_EL2'),
};

/** Resolves an operation. `operand` is the register of the instruction; `get` reads the CPU's state. */
export function tlbiSelection(
  op: number,
  operand: bigint,
  get: (field: StateField) => bigint,
): TlbiSelection {
  const o = tlbiOps[op];
  if (!o) throw new RangeError(`there is no TLBI operation ${op}`);
  const wide = (get(registers.vtcr) >> 19n) & 1n;
  // Secure EL1&0 has no VMID; SCR_EL3.NS says whose translations EL3 means (D8.13.5).
  const secure = get(state.el2Off) !== 0n;
  const vmid = secure ? 0 : Number((get(registers.vttbr) >> 48n) & (wide ? 0xffffn : 0xffn));
  const hcr = get(registers.hcr);
  const e2h = ((hcr >> 34n) & 1n) === 1n;
  const host = !secure && e2h && ((hcr >> 27n) & 1n) === 1n;
  const asidMask = (get(host ? registers.tcr2 : registers.tcr1) >> 36n) & 1n ? 0xffffn : 0xffn;
  const asid = Number((operand >> 48n) & asidMask);
  const bank = contextsOf(o.scope, { vmid, asid, secure, e2h, host });
  if (o.byIpa) {
    // Entries that combine both stages stay (D8.13.5): those with stage 1 off have the IPA for their address.
    const ipa = { va: (operand & ((1n << 40n) - 1n)) << 12n };
    const el1 = { regime: regimes.el10.key, secure: secure ? 1 : 0, vmid };
    return { bank, exact: { bank: contextsWith({ ...el1, mmu: 0 }), ...(o.range ? rangeOf(operand) : ipa) } };
  }
  if (!o.byVa) return { bank };
  if (o.range) return { bank, ...rangeOf(operand) };
  return { bank, va: canonical((operand & ((1n << 44n) - 1n)) << 12n) };
}
