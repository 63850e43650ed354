import { setTimeout as sleep } from 'node:timers/promises'
import { run } from '../setup/command.mjs'
import { BuildError } from '../setup/error.mjs'

/** @typedef {import('./packages.mjs').Package} Package */

/** Time until a published version must be visible. npm's caches take seconds, rarely minutes. */
const VISIBLE_SECONDS = 300

/** Time in which the registry must answer, in milliseconds. */
const TIMEOUT = 60_000

/**
 * Returns the integrity of a published version.
 *
 * @param {Pick<Package, 'name' | 'version'>} pkg
 * @returns {Promise<string | undefined>} undefined if the version is not published
 * @throws {BuildError} if the registry does not answer
 */
export async function publishedIntegrity({ name, version }) {
  const url = new URL(name.replace('/', '%2f'), await registryUrl())
  /** @type {Response | Error} */
  const response = await fetch(url, {
    headers: { 'cache-control': 'no-cache' },
    signal: AbortSignal.timeout(TIMEOUT),
  }).catch((e) => e)
  if (response instanceof Error) throw new BuildError(`${url}: ${reason(response)}`)
  if (response.status === 404) return undefined
  if (!response.ok) throw new BuildError(`${url}: status ${response.status}`)
  // A package of which every version was unpublished has no versions.
  const { versions } = await response.json()
  return versions?.[version]?.dist.integrity
}

/** @param {Error} error */
function reason({ message, cause }) {
  return cause instanceof Error ? cause.message : message
}

/** @type {Promise<string> | undefined} */
let registry

/** Returns the registry that `npm publish` uses. */
function registryUrl() {
  registry ??= readRegistryUrl()
  return registry
}

async function readRegistryUrl() {
  const { status, stdout, stderr } = await run('npm', ['config', 'get', 'registry'])
  if (status !== 0) throw new BuildError(`npm config failed:\n${stderr.trim()}`)
  return stdout.trim()
}

/**
 * Publishes a tarball. npm may ask for a second factor, so that it gets the terminal.
 *
 * @param {Package} pkg
 * @param {readonly string[]} options of `npm publish`
 * @throws {BuildError} if npm fails
 */
export async function publish({ name, version, tarball }, options) {
  const args = ['publish', tarball, '--ignore-scripts', ...options]
  const { status } = await run('npm', args, { output: 'terminal' })
  if (status !== 0) throw new BuildError(`npm publish of ${name}@${version} failed`)
}

/**
 * Waits until published versions are visible to an installation.
 *
 * @param {readonly Pick<Package, 'name' | 'version'>[]} packages
 * @param {number} [seconds]
 * @throws {BuildError} after this time
 */
export async function waitUntilVisible(packages, seconds = VISIBLE_SECONDS) {
  const deadline = performance.now() + seconds * 1000
  for (const pkg of packages) {
    while ((await publishedIntegrity(pkg)) === undefined) {
      if (performance.now() > deadline) {
        throw new BuildError(
          `${pkg.name}@${pkg.version} was published but is not visible after ${seconds} s: ` +
            'run the same command again',
        )
      }
      await sleep(2000)
    }
  }
}
