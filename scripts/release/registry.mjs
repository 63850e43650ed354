import { setTimeout as sleep } from 'node:timers/promises'
import { run } from '../setup/command.mjs'
import { BuildError } from '../setup/error.mjs'

/** @typedef {import('./packages.mjs').Package} Package */

/** Time until a published version must be visible. npm's caches take seconds, rarely minutes. */
const VISIBLE_SECONDS = 300

/**
 * Returns the integrity of a published version.
 *
 * @param {Pick<Package, 'name' | 'version'>} pkg
 * @returns {Promise<string | undefined>} undefined if the version is not published
 * @throws {BuildError} if the registry does not answer
 */
export async function publishedIntegrity({ name, version }) {
  const args = ['view', `${name}@${version}`, 'dist.integrity', '--json', '--prefer-online']
  const { status, stdout, stderr } = await run('npm', args)
  if (status === 0) return stdout.trim() === '' ? undefined : JSON.parse(stdout)
  if (/\bE404\b/.test(stderr + stdout)) return undefined
  throw new BuildError(`npm view ${name}@${version} failed:\n${stderr.trim()}`)
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
 * @throws {BuildError} after five minutes
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
