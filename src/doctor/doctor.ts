import type { Diagnosis } from './diagnosis.js'

/**
 * Checks whether this machine can train (`residual doctor`): platform, libtorch, CUDA, CPU, memory
 * and disk. Each check reports what was detected and, if something is wrong, the next thing to do.
 *
 * Never throws because of a missing part. libtorch is loaded in a child process.
 *
 * @example
 * const { ok, checks } = await doctor()
 * if (!ok) console.error(checks.filter(({ status }) => status === 'fail'))
 */
export async function doctor(): Promise<Diagnosis> {
  // Imported on demand: training does not need the checks.
  const { runChecks } = await import('./run-checks.js')
  return await runChecks()
}
