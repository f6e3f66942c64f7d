import { ErrorId, UserError } from './errors';

/**
 * Numbers that stand for objects in DAP messages: frames, variable containers. They are valid until the guest resumes;
 * a number is never used again, so that a late request cannot reach another object.
 */
export class Handles<T> {
  private readonly objects = new Map<number, T>();
  private next = 1;

  /** `what` is how errors call such an object, e.g. "stack frame". */
  constructor(private readonly what: string) {}

  /** Makes a handle. */
  create(object: T): number {
    const id = this.next++;
    this.objects.set(id, object);
    return id;
  }

  /** @throws UserError for a handle from before the last resume, or one that never was. */
  get(id: number): T {
    const object = this.objects.get(id);
    if (object !== undefined) return object;
    if (Number.isInteger(id) && id > 0 && id < this.next) {
      throw new UserError(
        `This ${this.what} belongs to an earlier stop: ask for the call stack again.`,
        ErrorId.stale,
      );
    }
    throw new UserError(`There is no ${this.what} ${id}: ask for the call stack first.`, ErrorId.stale);
  }

  /** Forgets all objects: the guest resumes. */
  clear(): void {
    this.objects.clear();
  }
}
