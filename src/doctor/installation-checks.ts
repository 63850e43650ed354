import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { ResidualError, type RunError } from '../errors/errors.js'
import { coreAddon } from '../native/addon.js'
import { libtorchLibrary, listLibraries } from '../native/libtorch.js'
import { currentPlatform, glibcVersion, platformFolder } from '../native/platform.js'
import { PREBUILT_PLATFORMS } from '../native/prebuilt-platforms.js'
import type { TorchEnvironment } from './cpu-checks.js'
import type { Check } from './diagnosis.js'

/** Time limit for loading libtorch, in ms: reading it from a cold disk is slow. */
const PROBE_TIMEOUT = 120_000

const PROBE = fileURLToPath(new URL('probe-libtorch.js', import.meta.url))

/** Output of the child process that loads libtorch; `crashed` describes its end without output. */
export type ProbeResult =
  | { environment: TorchEnvironment }
  | { error: RunError }
  | { crashed: string }

/** Checks the platform, glibc, the addons and libtorch. */
export async function checkInstallation(
  version: string,
): Promise<[Check[], TorchEnvironment | undefined]> {
  const checks = [checkPlatform(), checkGlibc(), checkAddon(version)].filter(
    (check) => check !== undefined,
  )
  const [libtorch, environment] = await checkLibtorch()
  return [[...checks, libtorch], environment]
}

function checkPlatform(): Check {
  const detail = `${currentPlatform()}, Node ${process.versions.node}`
  try {
    platformFolder()
    return { name: 'platform', status: 'pass', detail }
  } catch (error) {
    return failedCheck('platform', error)
  }
}

function checkGlibc(): Check | undefined {
  const version = glibcVersion()
  const oldest = PREBUILT_PLATFORMS[currentPlatform()]?.minGlibc
  if (version === undefined || oldest === undefined) return undefined
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const isSupported = major > oldest[0] || (major === oldest[0] && minor >= oldest[1])
  if (isSupported) return { name: 'glibc', status: 'pass', detail: version }
  const min = oldest.join('.')
  const hint = `Use a system with glibc ${min} or later: Debian 10, Ubuntu 20.04, RHEL 8, ...`
  return { name: 'glibc', status: 'fail', detail: `${version}, older than ${min}`, hint }
}

function checkAddon(version: string): Check {
  try {
    const found = coreAddon().version()
    if (found === version) return { name: 'addon', status: 'pass', detail: `version ${found}` }
    return {
      name: 'addon',
      status: 'warn',
      detail: `version ${found}, but the package is ${version}`,
      hint: 'Reinstall with `npm install --force`; in a clone, run `npm run build`.',
    }
  } catch (error) {
    return failedCheck('addon', error)
  }
}

/** Locates libtorch and loads it in a child process, because loading it may crash the process. */
async function checkLibtorch(): Promise<[Check, TorchEnvironment | undefined]> {
  let library: string
  let size: string
  try {
    library = libtorchLibrary()
    const bytes = listLibraries(library).reduce((sum, { bytes }) => sum + bytes, 0)
    size = `${Math.round(bytes / 1e6)} MB`
  } catch (error) {
    return [failedCheck('libtorch', error), undefined]
  }
  const start = performance.now()
  const result = await probeLibtorch()
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  if ('environment' in result) {
    const { environment } = result
    const detail = `version ${environment.libtorch}, ${size}, loads in ${seconds} s`
    return [{ name: 'libtorch', status: 'pass', detail }, environment]
  }
  if ('error' in result)
    return [failedCheck('libtorch', new ResidualError(result.error)), undefined]
  const detail = `a process that loads ${library} ${result.crashed}`
  const hint = 'Reinstall with `npm install --force`. If that does not help, report this output.'
  return [{ name: 'libtorch', status: 'fail', detail, hint }, undefined]
}

/** Loads libtorch in a child process and returns what it reports. */
export function probeLibtorch(program = PROBE): Promise<ProbeResult> {
  const options = {
    timeout: PROBE_TIMEOUT,
    encoding: 'utf8' as const,
    // In Electron `execPath` is the application; this variable makes it run as Node.
    env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
  }
  return new Promise((resolve) => {
    execFile(process.execPath, [program], options, (error, stdout) => {
      const result = parseProbe(stdout)
      if (result !== undefined) resolve(result)
      else if (error?.killed) resolve({ crashed: `does not finish in ${PROBE_TIMEOUT / 1000} s` })
      else if (error?.signal) resolve({ crashed: `is killed by ${error.signal}` })
      else resolve({ crashed: `exits with status ${error?.code ?? 0} without output` })
    })
  })
}

function parseProbe(stdout: string): ProbeResult | undefined {
  try {
    return JSON.parse(stdout)
  } catch {
    return undefined
  }
}

/** Converts an error of the native loader, which contains a hint. */
function failedCheck(name: string, error: unknown): Check {
  if (!(error instanceof ResidualError)) throw error
  return { name, status: 'fail', detail: error.message, hint: error.hint }
}
