import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../platform.js'
import { checkCpu } from './cpu.js'
import { checkCuda } from './cuda.js'
import type { Diagnosis } from './diagnosis.js'
import { checkInstallation } from './installation.js'
import { thisMachine } from './machine.js'
import { checkRoom } from './room.js'

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
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const [installation, facts] = await checkInstallation(version)
  const checks = [
    ...installation,
    ...(await checkCuda(thisMachine, facts?.machine.cuda ?? false, facts?.cudaUnusable)),
    ...checkCpu(thisMachine, facts),
    ...checkRoom(thisMachine),
  ]
  return { ok: checks.every(({ state }) => state !== 'fail'), version, checks }
}
