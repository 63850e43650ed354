import type { ErrorCode, ErrorLocation } from '../native/generated.js'
import { withCommandName } from './command-name.js'
import { HINTS } from './hints.js'

/** An error as plain data. */
export interface RunError {
  code: ErrorCode
  /** Description of the problem, as a sentence without the final period. */
  message: string
  /** Location: a configuration key, or a file with a line. */
  at?: ErrorLocation
  /** Suggested fix. Default: the general hint of the code. */
  hint?: string
}

/**
 * Maximum length of a message, a hint or a path in characters, as in the core. A longer text
 * contains, for example, a path of megabytes.
 */
const MAX_TEXT_LENGTH = 6000

/** Shortens a text in the middle. */
function shorten(text: string): string {
  if (text.length <= MAX_TEXT_LENGTH) return text
  const half = MAX_TEXT_LENGTH / 2
  const numOmitted = text.length - MAX_TEXT_LENGTH
  return `${text.slice(0, half)} ... (${numOmitted} characters) ... ${text.slice(-half)}`
}

/**
 * The error of all functions of this package. Programs distinguish errors by `code`; `at` is the
 * location of the problem and `hint` suggests a fix.
 *
 * @example
 * try {
 *   await train({ data: './photos' })
 * } catch (error) {
 *   if (error instanceof ResidualError) console.error(error.code, error.message, error.hint)
 * }
 */
export class ResidualError extends Error {
  /** Identifies the kind of error. */
  readonly code: ErrorCode
  /** Location: a configuration key, or a file with a line. */
  readonly at: ErrorLocation
  /** Suggested fix, as a sentence. */
  readonly hint: string

  static {
    ResidualError.prototype.name = 'ResidualError'
  }

  constructor({ code, message, at, hint }: RunError, options?: ErrorOptions) {
    super(shorten(message), options)
    this.code = code
    this.at = {
      ...at,
      ...(at?.key !== undefined && { key: shorten(at.key) }),
      ...(at?.file !== undefined && { file: shorten(at.file) }),
    }
    this.hint = withCommandName(shorten(hint ?? HINTS[code]))
  }
}

/** The error of an operation that an `AbortSignal` ended. `cause` is the signal's reason. */
export class AbortError extends ResidualError {
  /** Path of the checkpoint saved on abort; undefined if training had not started. */
  readonly checkpoint: string | undefined

  static {
    AbortError.prototype.name = 'AbortError'
  }

  constructor(
    message: string,
    checkpoint: string | undefined,
    reason: unknown,
    hint = checkpoint && `Resume with \`resume: ${JSON.stringify(checkpoint)}\`.`,
  ) {
    super({ code: 'E_ABORTED', message, ...(hint && { hint }) }, { cause: reason })
    this.checkpoint = checkpoint
  }
}
