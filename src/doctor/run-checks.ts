import { hostSystem } from '../native/system.js'
import { VERSION } from '../native/version.js'
import { checkCpu } from './cpu-checks.js'
import { checkCuda } from './cuda-check.js'
import type { Diagnosis } from './diagnosis.js'
import { checkInstallation } from './installation-checks.js'
import { checkResources } from './resource-checks.js'

/** Runs all checks on this machine. */
export async function runChecks(): Promise<Diagnosis> {
  const [installation, torch] = await checkInstallation()
  const checks = [
    ...installation,
    ...(await checkCuda(hostSystem, torch?.machine.cuda ?? false, torch?.cudaUnusable)),
    ...checkCpu(hostSystem, torch),
    ...checkResources(hostSystem),
  ]
  return { ok: checks.every(({ status }) => status !== 'fail'), version: VERSION, checks }
}
