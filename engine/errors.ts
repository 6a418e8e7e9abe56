/**
 * Errors are part of the interface. A `UserError` says what was wrong, where, and what to do; the
 * command line prints it without a stack trace and leaves with its exit code. Anything else that
 * is thrown is a defect of this program.
 */

/** The exit codes of every command, in one place so that scripts can rely on them. */
export const ExitCode = {
  ok: 0,
  failure: 1,
  usage: 2,
  noAdapter: 3,
  data: 4,
  weights: 5,
  diverged: 6,
  io: 7,
  method: 8,
  gpu: 9,
  interrupted: 130,
} as const;
export type ExitCode = typeof ExitCode[keyof typeof ExitCode];

/** A mistake or a circumstance that its reader can do something about. */
export class UserError extends Error {
  override readonly name = "UserError";
  /**
   * @param message what was wrong and where (file, flag, operation, shapes)
   * @param exitCode the code with which a command leaves
   * @param hint what to do about it
   */
  constructor(
    message: string,
    readonly exitCode: ExitCode = ExitCode.failure,
    readonly hint?: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** More than the device has room for: the same again fails again. */
export class TooLarge extends UserError {}

/** Bytes of what was to be made, and those that the device gave before it refused. */
export interface Room {
  readonly needed: number;
  readonly available: number;
}

/** The device has no memory left. */
export class OutOfMemory extends TooLarge {
  /** @param room of all that was to be made, where that is known */
  constructor(message: string, hint: string, readonly room?: Room, options?: ErrorOptions) {
    super(message, ExitCode.gpu, hint, options);
  }
}
