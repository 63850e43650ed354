/**
 * Status of one check: `pass`, `warn` (training works, but with limits), `fail` (training does not
 * work), or `off` (an optional part, such as CUDA, is not available).
 */
export type CheckStatus = 'pass' | 'warn' | 'fail' | 'off'

/** The result of checking one part of the machine. */
export interface Check {
  /** `platform`, `glibc`, `addon`, `libtorch`, `CUDA`, `CPU`, `threads`, `memory`, `disk`, ... */
  name: string
  status: CheckStatus
  /** The detected state, in a few words. */
  detail: string
  /** Suggested fix, as a sentence; undefined if nothing needs to be done. */
  hint?: string | undefined
}

/** The result of `doctor()`. */
export interface Diagnosis {
  /** Whether no check failed, so that this machine can train. */
  ok: boolean
  /** Version of this package. */
  version: string
  checks: Check[]
}
