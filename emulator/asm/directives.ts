/** All directives by name. */
import type { Directive } from './directive';
import { dataDirectives } from './directives-data';
import { flowDirectives } from './directives-flow';
import { sectionDirectives } from './directives-section';
import { symbolDirectives } from './directives-symbol';

/** Nothing to do for them: they concern linkers, debuggers or listings. */
const ignored: Directive = () => undefined;

/** Sources that mean it would fail in ways that are hard to understand. */
const altmacro: Directive = (a) =>
  a.warn(
    '.altmacro has no effect: write macros without LOCAL, <...> and %, and use \\@ for labels of their own',
  );

export const directives: ReadonlyMap<string, Directive> = new Map(
  Object.entries({
    ...dataDirectives,
    ...sectionDirectives,
    ...symbolDirectives,
    ...flowDirectives,
    '.altmacro': altmacro,
    ...Object.fromEntries(
      (
        '.arch .cpu .arch_extension .file .loc .ident .eject .list .nolist .title .sbttl .psize .line .ln ' +
        '.cfi_sections .cfi_startproc .cfi_endproc .cfi_personality .cfi_lsda .cfi_def_cfa .cfi_def_cfa_register ' +
        '.cfi_def_cfa_offset .cfi_adjust_cfa_offset .cfi_offset .cfi_val_offset .cfi_rel_offset .cfi_register ' +
        '.cfi_restore .cfi_undefined .cfi_same_value .cfi_remember_state .cfi_restore_state .cfi_return_column ' +
        '.cfi_signal_frame .cfi_window_save .cfi_escape .cfi_val_encoded_addr .cfi_negate_ra_state .cfi_b_key_frame ' +
        '.variant_pcs .addrsig .addrsig_sym .bundle_align_mode .noaltmacro'
      )
        .split(' ')
        .map((name) => [name, ignored]),
    ),
  }),
);
