/**
 * How a part of the machine is: `pass`, `warn` (it works, but not as it might), `fail` (nothing can
 * be trained), or `off` (something that is not needed is not there).
 */
export type CheckState = 'pass' | 'warn' | 'fail' | 'off'

/** One part of the machine. */
export interface Check {
  /** `platform`, `glibc`, `addon`, `libtorch`, `cuda`, `cpu`, `threads`, `memory`, `disk`, ... */
  name: string
  state: CheckState
  /** What was found, in a few words. */
  found: string
  /** The next thing to do, as a sentence; undefined where there is nothing to be done. */
  next?: string | undefined
}

/** What `doctor()` gives. */
export interface Diagnosis {
  /** No check failed: it can be trained here. */
  ok: boolean
  /** The version of this package. */
  version: string
  checks: Check[]
}
