/** Items behind the numbers of DAP: `variablesReference`s, which stay valid until the guest resumes. */
import type { DebugProtocol as DP } from '@vscode/debugprotocol';
import { UserError } from '../errors';
import type { VariableContainer } from '../session';
import { hasParts, partNamed, partsOf, type Item } from './items';
import type { StopView } from './stop-view';

/** The parts of an item. After a write by the debugger the item is made anew. */
export class ItemContainer implements VariableContainer {
  private version: number;
  /** Made when the first part with parts of its own is shown: most containers never get there. */
  private children: Map<string, { readonly id: number; readonly container: ItemContainer }> | undefined;

  constructor(
    private readonly view: StopView,
    private readonly make: () => Item,
    private current: Item = make(),
  ) {
    this.version = view.version;
  }

  item(): Item {
    if (this.version !== this.view.version) this.put(this.make());
    return this.current;
  }

  private put(item: Item): void {
    this.current = item;
    this.version = this.view.version;
  }

  variables(args: DP.VariablesArguments): DP.Variable[] {
    return partsOf(this.item(), args).map((part) => this.variable(part));
  }

  private variable(part: Item): DP.Variable {
    return { name: part.name, value: part.value, ...describe(part), ...this.reference(part) };
  }

  private reference(part: Item): { variablesReference: number; indexedVariables?: number } {
    if (!hasParts(part)) return { variablesReference: 0 };
    const children = (this.children ??= new Map());
    let child = children.get(part.name);
    if (child) child.container.put(part);
    else {
      const container = new ItemContainer(this.view, () => partNamed(this.item(), part.name), part);
      child = { container, id: this.view.session.variables.create(container) };
      children.set(part.name, child);
    }
    return { variablesReference: child.id, ...indexed(part) };
  }

  /** Changes a part. @throws UserError */
  set(args: DP.SetVariableArguments): DP.SetVariableResponse['body'] {
    const part = partNamed(this.item(), args.name);
    const effect = change(part, args.value);
    this.view.changed(effect);
    const now = partNamed(this.item(), args.name);
    const { name: _name, ...rest } = this.variable(now);
    return {
      value: rest.value,
      ...(rest.type === undefined ? {} : { type: rest.type }),
      variablesReference: rest.variablesReference,
      ...(rest.indexedVariables === undefined ? {} : { indexedVariables: rest.indexedVariables }),
      ...(rest.memoryReference === undefined ? {} : { memoryReference: rest.memoryReference }),
    };
  }
}

const indexed = (item: Item): { indexedVariables?: number } =>
  item.elements ? { indexedVariables: item.elements.count } : {};

/** Writes what the user typed. @throws UserError for what cannot be changed */
export function change(item: Item, text: unknown): 'variables' | 'stacks' {
  if (typeof text !== 'string' || text.trim() === '')
    throw new UserError(`There is no value for ${item.name}: write a number or an expression.`);
  if (!item.set)
    throw new UserError(
      hasParts(item) && !item.isReadOnly
        ? `${item.name} cannot be changed as a whole: open it and change one of its parts.`
        : item.whyReadOnly === undefined
          ? `${item.name} is read-only.`
          : `${item.name} cannot be changed: ${item.whyReadOnly}.`,
    );
  // The value as it was shown, unchanged.
  if (text.trim() === item.value) return 'variables';
  return item.set(text);
}

/** What a variable says beside name and value. */
export function describe(item: Item): Partial<DP.Variable> {
  const isFixed = item.isReadOnly === true || (!item.set && !hasParts(item));
  const attributes = isFixed ? ['readOnly'] : undefined;
  const hint: DP.VariablePresentationHint = {
    ...(item.isText ? { kind: 'virtual' } : {}),
    ...(attributes ? { attributes } : {}),
    ...(item.lazy ? { lazy: true } : {}),
  };
  return {
    ...(item.type === undefined ? {} : { type: item.type }),
    ...(item.evaluateName === undefined ? {} : { evaluateName: item.evaluateName }),
    ...(item.memoryReference === undefined ? {} : { memoryReference: item.memoryReference }),
    ...(Object.keys(hint).length > 0 ? { presentationHint: hint } : {}),
  };
}

/** A handle for an item's parts; 0 when it has none. */
export function referenceOf(
  view: StopView,
  make: () => Item,
  item: Item = make(),
): { variablesReference: number; indexedVariables?: number } {
  if (!hasParts(item)) return { variablesReference: 0 };
  const id = view.session.variables.create(new ItemContainer(view, make, item));
  return { variablesReference: id, ...indexed(item) };
}
