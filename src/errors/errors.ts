import type { ErrorCode, ErrorLocation } from '../native/generated.js'
import { HINTS } from './hints.js'

/** What an error is made of. */
export interface RunError {
  code: ErrorCode
  /** What went wrong, as a sentence without its full stop. */
  message: string
  /** Where: a configuration path, a file, a line of it. */
  at?: ErrorLocation
  /** The next thing to do. Default: what helps with this code in general. */
  hint?: string
}

/**
 * Every failure of this package: a `code` to branch on, a place to look `at` and a `hint` that
 * names the next thing to do.
 */
export class ResidualError extends Error {
  /** What went wrong, for programs. */
  readonly code: ErrorCode
  /** Where: a configuration path, a file, a line of it. */
  readonly at: ErrorLocation
  /** The next thing to do, as a sentence. */
  readonly hint: string

  static {
    ResidualError.prototype.name = 'ResidualError'
  }

  constructor({ code, message, at, hint }: RunError, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.at = at ?? {}
    this.hint = hint ?? HINTS[code]
  }
}

/** The rejection of a run that its `AbortSignal` ended; `cause` is the signal's reason. */
export class AbortError extends ResidualError {
  /** The checkpoint that was written before the run ended; none if it had not begun to train. */
  readonly checkpoint: string | undefined

  static {
    AbortError.prototype.name = 'AbortError'
  }

  constructor(
    message: string,
    checkpoint: string | undefined,
    reason: unknown,
    hint = checkpoint && `Go on with \`resume: ${JSON.stringify(checkpoint)}\`.`,
  ) {
    super({ code: 'E_ABORTED', message, ...(hint && { hint }) }, { cause: reason })
    this.checkpoint = checkpoint
  }
}
