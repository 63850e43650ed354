import { execFile } from 'node:child_process'
import { statSync } from 'node:fs'
import { recipeNames } from '../api/run/recipes.js'
import { knownDatasets } from '../download/dataset-registry.js'
import { ResidualError, type RunError } from '../errors/errors.js'
import { coreAddon } from '../native/addon.js'
import { libtorchLibrary, listLibraries } from '../native/libtorch.js'
import { emulator } from '../native/loading/emulation.js'
import { reinstallHint } from '../native/loading/install-hints.js'
import { incompletePackageError } from '../native/loading/package-contents.js'
import { packageFile } from '../native/loading/package-files.js'
import { assertProcessor } from '../native/loading/processor.js'
import { currentPlatform, glibcVersion, supportedPlatform } from '../native/platform.js'
import type { TorchEnvironment } from './cpu-checks.js'
import type { Check } from './diagnosis.js'

/** Time limit for loading libtorch, in ms: reading it from a cold disk is slow. */
const PROBE_TIMEOUT = 120_000

/** Output of the child process that loads libtorch; `crashed` describes its end without output. */
export type ProbeResult =
  | { environment: TorchEnvironment }
  | { error: RunError }
  | { crashed: string }

/**
 * Checks the platform, the addons and libtorch, in the order in which they are loaded. Ends at the
 * first problem, with the error that loading throws, because later parts need the earlier ones.
 */
export async function checkInstallation(): Promise<[Check[], TorchEnvironment | undefined]> {
  const checks: Check[] = []
  for (const [name, check] of [
    ['platform', checkPlatform],
    ['addon', checkAddon],
  ] as const) {
    try {
      checks.push(...check())
    } catch (error) {
      return [[...checks, failedCheck(name, error)], undefined]
    }
  }
  checks.push(...checkContents())
  const [libtorch, environment] = await checkLibtorch()
  return [[...checks, libtorch], environment]
}

function checkPlatform(): Check[] {
  supportedPlatform()
  assertProcessor()
  const detail = `${currentPlatform()}, Node ${process.versions.node}`
  const glibc = glibcVersion()
  const program = emulator()
  return [
    { name: 'platform', status: 'pass', detail },
    ...(glibc === undefined ? [] : [{ name: 'glibc', status: 'pass', detail: glibc } as const]),
    ...(program === undefined ? [] : [emulationCheck(program)]),
  ]
}

function emulationCheck(program: string): Check {
  return {
    name: 'emulation',
    status: 'warn',
    detail: `${program} translates this Node, which was built for ${process.arch}: training is slow`,
    hint: 'Use Node and a container image for the processor of this machine (`docker run --platform`).',
  }
}

function checkAddon(): Check[] {
  return [{ name: 'addon', status: 'pass', detail: `version ${coreAddon().version()}` }]
}

/** Returns a failed check if data sets or recipes of this package are missing. */
function checkContents(): Check[] {
  const missing = knownDatasets().find(
    ({ downloads, folder }) => downloads.length === 0 && folder === null,
  )
  try {
    if (missing !== undefined) throw incompletePackageError('data', missing.name)
    recipeNames()
    return []
  } catch (error) {
    return [failedCheck('package', error)]
  }
}

/** Locates libtorch and loads it in a child process, because loading it may crash the process. */
async function checkLibtorch(): Promise<[Check, TorchEnvironment | undefined]> {
  let library: string
  let size: string
  try {
    library = libtorchLibrary()
    // Loading reports a broken link.
    const sizes = listLibraries(library).map(
      (path) => statSync(path, { throwIfNoEntry: false })?.size,
    )
    const bytes = sizes.reduce<number>((sum, size = 0) => sum + size, 0)
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
  const hint = `${reinstallHint()} If that does not help, report this output.`
  return [{ name: 'libtorch', status: 'fail', detail, hint }, undefined]
}

/** Loads libtorch in a child process and returns what it reports. */
export function probeLibtorch(
  program = packageFile('dist', 'doctor', 'probe-libtorch.js'),
): Promise<ProbeResult> {
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
