/** The exception filters that are on, with their conditions. */
import type { FilterId, StopCause } from '../arch/types';
import type { Target } from '../target';
import { Guard } from './conditions';
import { Moment } from './moment';

export interface FilterSpec {
  readonly id: FilterId;
  readonly condition?: string;
}

export class ActiveFilters {
  private guards = new Map<FilterId, Guard>();

  /** Replaces all filters; for each: why it cannot be used, or undefined. A filter that is refused is off. */
  replace(specs: readonly FilterSpec[]): (string | undefined)[] {
    this.guards = new Map();
    return specs.map(({ id, condition }) => {
      try {
        this.guards.set(id, new Guard(condition === undefined ? {} : { condition }));
        return undefined;
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      }
    });
  }

  /** Ids of the filters that are on. */
  get ids(): ReadonlySet<FilterId> {
    return new Set(this.guards.keys());
  }

  /** The causes whose conditions hold, and conditions that failed. */
  select(
    target: Target,
    cpu: number,
    causes: readonly StopCause[],
  ): { causes: StopCause[]; problems: string[] } {
    const problems: string[] = [];
    const selected = causes.filter((c) => {
      const result = this.guards.get(c.filter)?.reached(new Moment(target, cpu, c.values));
      if (result?.problem !== undefined) problems.push(result.problem);
      return result?.stop ?? false;
    });
    return { causes: selected, problems };
  }
}
