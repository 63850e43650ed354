import type { WarningEvent } from '../native/generated.js'

/** Name of the process warnings of this package. */
const WARNING_NAME = 'ResidualWarning'

/**
 * Emits warnings of a function that has no other way to report them, as Node's process warnings:
 * Node prints them to stderr, and programs can listen to `process.on('warning')`.
 */
export function emitWarnings(warnings: readonly WarningEvent[]): void {
  for (const { code, message, hint } of warnings) {
    const detail = hint === undefined ? {} : { detail: hint }
    process.emitWarning(message, { type: WARNING_NAME, code, ...detail })
  }
}
