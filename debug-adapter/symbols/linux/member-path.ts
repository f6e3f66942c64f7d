/** From a type and the names of members to a place: `arch.ctxt.regs.pc` of `struct kvm_vcpu`. */
import type { CType, Member } from '../dwarf/types';
import { SymbolError } from '../errors';

export interface MemberPlace {
  /** Bytes from the start of the outermost type. */
  readonly offset: number;
  readonly type: CType;
  readonly bits: Member['bits'];
}

/** Structs without a name within one struct: far above real ones, but damaged types may contain themselves. */
const MAX_ANONYMOUS = 256;

/** A member by its name, also within members without a name: C lets them be named as if they were its own. */
function memberNamed(type: CType, name: string): Member | undefined {
  const open = [{ type, offset: 0 }];
  for (let n = 0; n < Math.min(open.length, MAX_ANONYMOUS); n++) {
    const outer = open[n] ?? { type, offset: 0 };
    for (const member of outer.type.members()) {
      const offset = outer.offset + member.offset;
      if (member.name === name) return { ...member, offset };
      if (member.name === '' && open.length < MAX_ANONYMOUS) open.push({ type: member.type, offset });
    }
  }
  return undefined;
}

/**
 * Resolves a path of members and array indices, such as `ctxt.sys_regs[3]`.
 * @throws SymbolError that names the part which is not there
 */
export function memberPlace(type: CType, path: string): MemberPlace {
  let place: MemberPlace = { offset: 0, type, bits: undefined };
  for (const [, name, index] of path.matchAll(/([^.[\]]+)|\[(\d+)\]/g)) {
    const outer: CType = place.type;
    if (name !== undefined) {
      const member = memberNamed(outer, name);
      if (!member)
        throw new SymbolError(
          `${outer.name} has no member ${name} in this kernel: look at its members in the Variables view.`,
        );
      place = { offset: place.offset + member.offset, type: member.type, bits: member.bits };
      continue;
    }
    const n = Number(index);
    if (outer.kind !== 'array' || n >= (outer.count ?? 0))
      throw new SymbolError(`${outer.name} has no element ${n}: write a member or a smaller index.`);
    const element = outer.target();
    place = { offset: place.offset + n * element.size, type: element, bits: undefined };
  }
  return place;
}
