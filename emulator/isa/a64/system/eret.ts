/** ERET, ERETAA, ERETAB as instructions: what stops before them, and what they cannot do. */
import type { Val } from '../../../ir/nodes';
import { common, StopReason } from '../../../ir/state';
import { eventBit } from '../events';
import { exceptionReturn, returnAddress } from '../exceptions/return';
import { hostCalls } from '../host-calls';
import type { A64 } from '../sem';
import { state } from '../state';

/** Returns from an exception to ELR_ELx, or to what `change` makes of it. */
export function executeReturn(s: A64, change: (address: Val) => Val = (address) => address): void {
  const el = s.get(state.el);
  s.if(s.eqz(el), () => s.undefinedInstruction());
  const kinds = s.select(
    s.gtu(el, s.i32(1)),
    s.i32(eventBit('eret') | eventBit('trapExit')),
    s.i32(eventBit('eret')),
  );
  s.stopBefore(kinds);
  const address = change(returnAddress(s));
  s.syncPc();
  const unsupported = s.call(exceptionReturn, address);
  s.if(unsupported, () => {
    s.call(hostCalls.unsupported, s.cpu(), s.i32(0));
    s.set(common.stopReason, s.i32(StopReason.unsupported));
    s.exit('hold');
  });
  s.exit('recheck');
}
