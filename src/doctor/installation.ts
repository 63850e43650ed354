import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Failure } from '../errors/errors.js'
import { ResidualError } from '../errors/errors.js'
import { lightAddon } from '../native/addon.js'
import { librariesBeside, libtorchLibrary } from '../native/libtorch.js'
import { currentPlatform, glibcVersion, platformFolder } from '../native/platform.js'
import type { TorchFacts } from './cpu.js'
import type { Check } from './diagnosis.js'

/** The oldest that libtorch's published libraries run on (manylinux_2_28). */
const OLDEST_GLIBC = [2, 28] as const

/** How long loading libtorch may take, in milliseconds: a cold disk is slow. */
const PATIENCE = 120_000

const PROBE = fileURLToPath(new URL('probe-libtorch.js', import.meta.url))

/** How a process that loaded libtorch ended. */
export type Probed = { facts: TorchFacts } | { error: Failure } | { died: string }

/** What has to be installed: the right platform, the addons, libtorch. */
export async function checkInstallation(
  version: string,
): Promise<[Check[], TorchFacts | undefined]> {
  const checks = [platform(), glibc(), addon(version)].filter((check) => check !== undefined)
  const [libtorch, facts] = await checkLibtorch()
  return [[...checks, libtorch], facts]
}

function platform(): Check {
  const found = `${currentPlatform()}, Node ${process.versions.node}`
  try {
    platformFolder()
    return { name: 'platform', state: 'pass', found }
  } catch (error) {
    return failed('platform', error)
  }
}

function glibc(): Check | undefined {
  const found = glibcVersion()
  if (found === undefined) return undefined
  const [major = 0, minor = 0] = found.split('.').map(Number)
  const isNew = major > OLDEST_GLIBC[0] || (major === OLDEST_GLIBC[0] && minor >= OLDEST_GLIBC[1])
  if (isNew) return { name: 'glibc', state: 'pass', found }
  const wanted = OLDEST_GLIBC.join('.')
  const next = `Use a system with glibc ${wanted} or later: Debian 10, Ubuntu 20.04, RHEL 8, ...`
  return { name: 'glibc', state: 'fail', found: `${found}, older than ${wanted}`, next }
}

function addon(version: string): Check {
  try {
    const found = lightAddon().version()
    if (found === version) return { name: 'addon', state: 'pass', found: `version ${found}` }
    return {
      name: 'addon',
      state: 'warn',
      found: `version ${found}, and the package is ${version}`,
      next: 'Install again with `npm install --force`; in a clone, run `npm run build`.',
    }
  } catch (error) {
    return failed('addon', error)
  }
}

/** Finds libtorch, and loads it in a process of its own: if that crashes, this one does not. */
async function checkLibtorch(): Promise<[Check, TorchFacts | undefined]> {
  let library: string
  let size: string
  try {
    library = libtorchLibrary()
    const bytes = librariesBeside(library).reduce((sum, { bytes }) => sum + bytes, 0)
    size = `${Math.round(bytes / 1e6)} MB`
  } catch (error) {
    return [failed('libtorch', error), undefined]
  }
  const began = performance.now()
  const probed = await probe()
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  if ('facts' in probed) {
    const found = `version ${probed.facts.libtorch}, ${size}, loads in ${seconds} s`
    return [{ name: 'libtorch', state: 'pass', found }, probed.facts]
  }
  if ('error' in probed) return [failed('libtorch', new ResidualError(probed.error)), undefined]
  const found = `a process that loads ${library} ${probed.died}`
  const next = 'Install again with `npm install --force`. If that is no help, report it, with this.'
  return [{ name: 'libtorch', state: 'fail', found, next }, undefined]
}

/** Loads libtorch in another process, and asks it what it sees. */
export function probe(program = PROBE): Promise<Probed> {
  const options = {
    timeout: PATIENCE,
    encoding: 'utf8' as const,
    // In Electron, `execPath` is the application; this makes it a Node.
    env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
  }
  return new Promise((resolve) => {
    execFile(process.execPath, [program], options, (error, stdout) => {
      const answer = parsed(stdout)
      if (answer !== undefined) resolve(answer)
      else if (error?.killed) resolve({ died: `does not end within ${PATIENCE / 1000} s` })
      else if (error?.signal) resolve({ died: `is ended by ${error.signal}` })
      else resolve({ died: `ends with status ${error?.code ?? 0} and says nothing` })
    })
  })
}

function parsed(stdout: string): Probed | undefined {
  try {
    return JSON.parse(stdout)
  } catch {
    return undefined
  }
}

/** A failure of the loader's, which says itself what to do. */
function failed(name: string, error: unknown): Check {
  if (!(error instanceof ResidualError)) throw error
  return { name, state: 'fail', found: error.message, next: error.hint }
}
