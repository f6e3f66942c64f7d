/** Lines of the hypervisor that specs break, one at a time, and who must notice. */
import type { Patch } from './program';

/** Instructions that a broken run gets, in case that it does not end; the stories need fewer. */
export const BROKEN_LIMIT = 2_500_000;

export interface Mutation {
  readonly breaks: string;
  readonly patches: readonly Patch[];
  /** The story, by its name in stories.ts. */
  readonly in: string;
  readonly by: 'smccc' | 'guest-state' | 'stage2' | 'text';
  /** What is broken shows only when UNKNOWN values are surprises. */
  readonly strict?: boolean;
  /** What the complaint says. */
  readonly says?: RegExp;
}

const change = (file: string, before: string, after: string): Patch => ({ file, before, after });
const without = (file: string, line: string): Patch => change(file, `${line}\n`, '\n');

export const mutations: readonly Mutation[] = [
  {
    breaks: 'general registers: x27 and x28 are not saved',
    patches: [without('macros.inc', '\tstp\tx27, x28, [x0, #ctxt.x + 8 * 27]')],
    in: 'main',
    by: 'smccc',
    says: /HVC 0xc6000000 .*changed x28/,
  },
  {
    breaks: 'general registers: x5 is not loaded',
    patches: [
      change('macros.inc', '\tldp\tx5, x6, [x0, #ctxt.x + 8 * 5]', '\tldr\tx6, [x0, #ctxt.x + 8 * 6]'),
    ],
    in: 'exit storm',
    by: 'guest-state',
    says: /changed x5/,
  },
  {
    breaks: 'hyp-init: a fourth scratch register',
    patches: [change('hyp-init.S', '\tmsr\ttpidr_el2, x2\n', '\tmsr\ttpidr_el2, x2\n\tmov\tx4, x1\n')],
    in: 'main',
    by: 'smccc',
    says: /HVC 0xc6000000 .*changed x4/,
  },
  {
    breaks: 'stub calls: a third scratch register too many',
    patches: [change('boot/stub.S', '\tfunc\tstub_call\n', '\tfunc\tstub_call\n\tmov\tx9, x1\n')],
    in: 'main',
    by: 'smccc',
    says: /HVC 0x0 .*changed x9/,
  },
  {
    breaks: 'SP_EL0 is not restored',
    patches: [without('macros.inc', '\tmsr\tsp_el0, x1')],
    in: 'SMP',
    by: 'guest-state',
    says: /sp_el0/,
  },
  ...['tpidr_el0', 'tpidrro_el0', 'tpidr_el1', 'par_el1', 'sp_el1', 'mdscr_el1'].map((reg): Mutation => ({
    breaks: `the world switch: ${reg} is forgotten`,
    patches: [without('layout.inc', `\t\\op\t${reg}, ${reg}`)],
    in: 'exit storm',
    by: 'guest-state',
    says: new RegExp(reg, 'i'),
  })),
  ...['ttbr1', 'contextidr', 'cntkctl'].map((reg): Mutation => ({
    breaks: `the world switch: ${reg}_el1 is forgotten`,
    patches: [without('layout.inc', `\t\\op\t${reg}_el1, ${reg}_el12`)],
    in: 'exit storm',
    by: 'smccc',
    says: new RegExp(`${reg}_el1`, 'i'),
  })),
  {
    breaks: 'FP: FPSR is not saved',
    patches: [change('lib/fpsimd.inc', '\tmrs\t\\scratch, fpsr\n', '\tmov\t\\scratch, #0\n')],
    in: 'FP storm',
    by: 'guest-state',
    says: /fpsr/,
  },
  {
    breaks: 'FP: FPCR is not loaded',
    patches: [without('lib/fpsimd.inc', '\tmsr\tfpcr, \\scratch')],
    in: 'FP storm',
    by: 'guest-state',
    says: /fpcr/,
  },
  {
    breaks: 'FP: v8 and v9 are not saved',
    patches: [without('lib/fpsimd.inc', '\tstp\tq8, q9, [\\base, #fp.v + 16 * 8]')],
    in: 'FP storm',
    by: 'guest-state',
    says: /v8/,
  },
  {
    breaks: 'FP: the put does not save',
    patches: [
      change('host/fpsimd.S', '\tbl\tfpsimd_save\n\tbl\tfpsimd_flush\n\tldp', '\tbl\tfpsimd_flush\n\tldp'),
    ],
    in: 'FP storm',
    by: 'guest-state',
    says: /FP registers/,
  },
  {
    breaks: 'FP: kernel-mode NEON does not save',
    patches: [
      change('host/fpsimd.S', '\tbl\tfpsimd_save\n\tbl\tfpsimd_flush\n\tldr', '\tbl\tfpsimd_flush\n\tldr'),
    ],
    in: 'FP storm',
    by: 'guest-state',
    says: /FP registers/,
  },
  {
    breaks: 'FP: kernel-mode NEON leaves the guest the owner',
    patches: [
      change('host/fpsimd.S', '\tbl\tfpsimd_save\n\tbl\tfpsimd_flush\n\tldr', '\tbl\tfpsimd_save\n\tldr'),
    ],
    in: 'FP storm',
    by: 'guest-state',
    says: /FP registers/,
  },
  {
    breaks: 'FP: interrupts come before ctxsync has said whose the registers are',
    patches: [
      without('host/run.S', '\tbl\tfpsimd_ctxsync\t\t\t// before interrupts: their handlers may use FP'),
    ],
    in: 'FP storm',
    by: 'guest-state',
    says: /FP registers/,
  },
  {
    breaks: "FP: the guest's first use does not trap",
    patches: [
      change(
        'hyp/fpsimd.S',
        '\tcsel\tx2, x2, x3, eq\n\tmsr\tcptr_el2, x2\n\tret\n',
        '\tmsr\tcptr_el2, x2\n\tret\n',
      ),
    ],
    in: 'FP storm',
    by: 'guest-state',
    says: /FP registers/,
  },
  {
    breaks: "FP: the host's registers are not saved for the guest's first use",
    patches: [change('hyp/fpsimd.S', 'hyp_save_host_fp:\n\tsave_fp\tx2, x3\n1:', 'hyp_save_host_fp:\n1:')],
    in: 'FP storm',
    by: 'text',
  },
  {
    breaks: 'isolation: two machines have one memory',
    patches: [
      change(
        'host/vm.S',
        '\tstr\tx26, [x22, #vm.pa_offset]\n',
        '\tmov\tx26, x0\n\tstr\tx26, [x22, #vm.pa_offset]\n',
      ),
    ],
    in: 'malicious',
    by: 'stage2',
    says: /memory of the machine/,
  },
  {
    breaks: 'isolation: SMC is not trapped',
    patches: [change('constants.inc', ' | HCR_TSC', '')],
    in: 'malicious',
    by: 'text',
  },
  {
    breaks: 'isolation: debug and performance registers are not trapped',
    patches: [without('hyp/switch.S', '\torr\tx2, x2, x3')],
    in: 'malicious',
    by: 'text',
  },
  {
    breaks: 'permission faults: HPFAR_EL2 is believed',
    patches: [
      change('hyp/exits.S', '\tcmp\tx2, #ESR_FSC_PERMISSION\n\tb.ne\tleave_guest\n', '\tb\tleave_guest\n'),
    ],
    strict: true,
    in: 'faulting',
    by: 'text',
  },
  {
    breaks: "permission faults: PAR_EL1, the guest's, is lost in the translation",
    patches: [change('hyp/exits.S', '\tmsr\tpar_el1, x3\n\ttbnz', '\ttbnz')],
    in: 'faulting',
    by: 'guest-state',
    says: /PAR_EL1/,
  },
  {
    breaks: 'boot: a control register of EL2 is left as reset left it',
    patches: [change('boot/el2.S', '\tmsr\tcptr_el2, x0\t', '\tnop\t')],
    strict: true,
    in: 'main',
    by: 'text',
  },
  {
    breaks: 'VMIDs: a new generation flushes nothing',
    patches: [change('host/vmid.S', '\tmov_32\tw0, HYP_FN_FLUSH_ALL\n\thvc\t#0\n', '')],
    in: 'VMID roll-over',
    by: 'text',
  },
  {
    breaks: 'the virtual GIC: list registers are not saved',
    patches: [change('hyp/vgic.S', '\tmrs\tx4, ich_lr\\n\\()_el2\n\tstr', '\tmov\tx4, #0\n\tstr')],
    in: 'timer',
    by: 'text',
  },
  {
    breaks: 'the virtual GIC: the priority mask is not exchanged',
    patches: [without('hyp/vgic.S', '\tmsr\tich_vmcr_el2, x2')],
    in: 'two timers',
    by: 'guest-state',
    says: /ICH_VMCR_EL2/,
  },
];
