import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../native/platform.js'
import { thisMachine } from '../native/system.js'
import { checkCpu } from './cpu.js'
import { checkCuda } from './cuda.js'
import type { Diagnosis } from './diagnosis.js'
import { checkInstallation } from './installation.js'
import { checkRoom } from './resources.js'

/** Looks at this machine, part by part. */
export async function examine(): Promise<Diagnosis> {
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
