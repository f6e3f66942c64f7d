/** The scopes of a frame: registers by the architecture's description, then what software knows. */
import type { DebugProtocol as DP } from '@vscode/debugprotocol';
import type { Frame } from './frame';
import { vcpuItems } from './fact-items';
import type { Item } from './items';
import { hasContent, scopeItems, type ItemContext } from './register-items';
import { StructItems } from './struct-items';
import { exceptionFacts, syndromeItems } from './syndrome-items';
import { exceptionHistory } from './history';
import type { StopView } from './stop-view';
import { FrameNames } from './names';
import { HypContext } from './hyp-context';
import { vcpuName, type Vcpu } from '../hypervisors/types';

/** A scope before it has a handle. */
export interface ScopeItem {
  readonly name: string;
  readonly hint?: DP.Scope['presentationHint'];
  readonly expensive: boolean;
  readonly content: () => readonly Item[];
}

/** The scopes of a frame; only those that exist. */
export function scopesOf(view: StopView, frame: Frame): ScopeItem[] {
  const names = new FrameNames(view, frame);
  const ctx = names.context;
  const part = (isArgument: boolean) => (): Item[] =>
    names.variables().flatMap((v) => (v.isArgument === isArgument ? [v.item] : []));
  const c = names.variables();
  const scopes: ScopeItem[] = [];
  if (c.some((v) => !v.isArgument))
    scopes.push({ name: 'Locals', hint: 'locals', expensive: false, content: part(false) });
  if (c.some((v) => v.isArgument))
    scopes.push({ name: 'Arguments', hint: 'arguments', expensive: false, content: part(true) });
  for (const s of ctx.registers.isa.scopes.filter((s) => hasContent(ctx, s)))
    scopes.push({
      name: s.name,
      ...(s.hint ? { hint: s.hint } : {}),
      expensive: s.expensive,
      content: () => scopeItems(ctx, s),
    });
  // Tasks, modules and some hundred variables: for those who open it.
  if (names.linux())
    scopes.push({ name: 'Linux', expensive: true, content: () => names.linux()?.items() ?? [] });
  return [...scopes, ...softwareScopes(view, frame, ctx)];
}

function softwareScopes(view: StopView, frame: Frame, ctx: ItemContext): ScopeItem[] {
  const { cpu } = frame;
  const { hypervisor } = view.guest;
  const history = exceptionHistory(view.target.trace, view.target.arch);
  const structs = new StructItems(ctx, cpu);
  const scopes: ScopeItem[] = [];
  if (exceptionFacts(ctx, frame, history))
    scopes.push({ name: 'Syndrome', expensive: false, content: () => syndromeItems(ctx, frame, history) });
  const current = (): Vcpu | undefined => frame.vcpu ?? hypervisor.currentVcpu(cpu);
  if (current())
    scopes.push({
      name: frame.vcpu ? `vcpu ${vcpuName(frame.vcpu)}` : 'Current vcpu',
      expensive: false,
      content: () => {
        const vcpu = current();
        return vcpu ? [...vcpuItems(view.guest, cpu, vcpu), ...structs.fields(vcpu.at, 'vcpu')] : [];
      },
    });
  if (!frame.vcpu && hypervisor.hostContext(cpu))
    scopes.push({
      name: 'Host context',
      expensive: false,
      content: () => {
        const at = hypervisor.hostContext(cpu);
        return at ? structs.fields(at, 'host') : [];
      },
    });
  if (hypervisor.isSetUp(cpu))
    scopes.push({
      name: 'hyp context',
      expensive: false,
      content: () => new HypContext(view, ctx, cpu).items(),
    });
  return scopes;
}
