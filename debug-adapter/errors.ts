/** An error that the user can do something about: one sentence, with what to do next. */
export class UserError extends Error {
  override readonly name = 'UserError';

  constructor(
    message: string,
    /** Stable number for clients that look at it. */
    readonly id: number = ErrorId.request,
    /** Show it in a dialog, rather than only where the request came from. */
    readonly showUser = false,
  ) {
    super(message);
  }
}

/** Numbers of error responses (DAP `Message.id`). */
export const ErrorId = {
  /** The request cannot be answered as asked. */
  request: 1,
  /** Out of order: nothing is launched, or the guest runs. */
  state: 2,
  /** A handle from an earlier stop. */
  stale: 3,
  /** The client cancelled it. */
  cancelled: 4,
  /** No such request. */
  unknown: 5,
  /** Bytes that are no DAP message. */
  malformed: 6,
  /** launch: configuration, program, assembly. */
  launch: 10,
  /** Our own fault. */
  internal: 99,
} as const;

/** A sentence for the user, whatever was thrown. */
export function sentenceOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n')[0]?.trim() || 'Something went wrong without a message.';
}
