/**
 * The custom messages between the debug adapter and this extension: everything that the Debug Adapter Protocol has
 * no message for. An editor without the extension loses them and nothing else.
 */

/** Event `worldswitch/uart`: bytes that the guest sent. */
export interface UartBytes {
  /** The bytes in base64: a UART carries bytes, not text. */
  readonly data: string;
}

/** Request `worldswitch/uart`: bytes for the guest, or where its output goes (`false`: to the Debug Console). */
export interface UartRequest extends Partial<UartBytes> {
  readonly subscribe?: boolean;
}

/** Event `worldswitch/poweroff`: the guest switched its machine off. */
export interface PowerOff {
  /** How, for example `PSCI SYSTEM_OFF`. */
  readonly reason: string;
}

/** Event `worldswitch/diagnostics`: what the assembler found at launch. Line and column are 1-based. */
export interface AssemblyDiagnostics {
  readonly items: readonly AssemblyDiagnostic[];
}

export interface AssemblyDiagnostic {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endColumn?: number;
  readonly message: string;
  readonly severity: 'error' | 'warning';
}

/** Request `worldswitch/trace`: the last events; later ones follow as events `worldswitch/trace`. */
export interface TraceArguments {
  readonly last: number;
}

/** Response to, and event, `worldswitch/trace`: one formatted line an event. */
export interface TraceLines {
  readonly lines: readonly string[];
}

export const DEBUG_TYPE = 'worldswitch';
export const LANGUAGE_ID = 'worldswitch-asm';
