import type { Diagnosis } from './diagnosis.js'

/**
 * Looks whether this machine can train, part by part, each with what was found and the next thing to
 * do (`residual doctor`). It never fails, whatever is missing, and loads libtorch in a process of
 * its own only.
 *
 * @example
 * const { ok, checks } = await doctor()
 * if (!ok) console.error(checks.filter(({ state }) => state === 'fail'))
 */
export async function doctor(): Promise<Diagnosis> {
  // Loaded here: what looks at a machine is of no use to what trains on it.
  const { examine } = await import('./run-checks.js')
  return await examine()
}
