import type { Diagnosis } from './diagnosis.js'

/**
 * Checks whether this machine can train (`residual doctor`): platform, libtorch, CUDA, CPU, memory
 * and disk. Each check reports the detected state and, if there is a problem, a suggested fix.
 *
 * Does not throw if a part is missing. libtorch is loaded in a child process.
 *
 * @example
 * const { ok, checks } = await doctor()
 * if (!ok) console.error(checks.filter(({ status }) => status === 'fail'))
 */
export async function doctor(): Promise<Diagnosis> {
  // Imported on first use: training does not need the checks.
  const { runChecks } = await import('./run-checks.js')
  return await runChecks()
}
