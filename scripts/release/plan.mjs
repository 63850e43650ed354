import { publish, publishedIntegrity, waitUntilVisible } from './registry.mjs'
import { describeTarball } from './tarballs.mjs'

/** @typedef {import('./packages.mjs').Package} Package */

/**
 * What is to be done with a package:
 *
 * - `publish`: the version is not published
 * - `skip`: this tarball is published already, for example by a release that failed half-way
 * - `conflict`: another tarball is published as this version, which npm does not replace
 * - `missing`: there is no tarball
 *
 * @typedef {'publish' | 'skip' | 'conflict' | 'missing'} Action
 */

/** @typedef {{ pkg: Package, action: Action, bytes: number }} Step */

/**
 * Compares the tarballs with the registry.
 *
 * @param {readonly Package[]} packages in the order of publication
 * @returns {Promise<Step[]>}
 */
export async function planRelease(packages) {
  return await Promise.all(
    packages.map(async (pkg) => {
      const [tarball, published] = await Promise.all([
        describeTarball(pkg.tarball),
        publishedIntegrity(pkg),
      ])
      const bytes = tarball?.bytes ?? 0
      return { pkg, action: chooseAction(tarball?.integrity, published), bytes }
    }),
  )
}

/**
 * @param {string | undefined} local integrity of the tarball
 * @param {string | undefined} published integrity of the published version
 * @returns {Action}
 */
function chooseAction(local, published) {
  if (local === undefined) return 'missing'
  if (published === undefined) return 'publish'
  return published === local ? 'skip' : 'conflict'
}

/**
 * Returns the options of `npm publish`. A prerelease must not become the version that
 * `npm install residual` installs.
 *
 * @param {string} version
 * @param {NodeJS.ProcessEnv} env
 */
export function publishOptions(version, env) {
  const tag = version.includes('-') ? 'next' : 'latest'
  // Provenance needs the identity of a workflow.
  const hasIdentity = env.ACTIONS_ID_TOKEN_REQUEST_URL !== undefined
  return ['--access=public', `--tag=${tag}`, ...(hasIdentity ? ['--provenance'] : [])]
}

/**
 * Publishes the packages that are not published yet, each after the packages that it depends on.
 *
 * @param {readonly Step[]} steps without conflicts
 * @param {readonly string[]} options of `npm publish`
 * @param {(line: string) => void} log
 */
export async function publishSteps(steps, options, log) {
  for (const [index, { pkg, action }] of steps.entries()) {
    const label = `${pkg.name}@${pkg.version}`
    if (action === 'skip') log(`${label}: already published`)
    if (action !== 'publish') continue
    const isLast = index === steps.length - 1
    if (isLast) await waitUntilVisible(steps.slice(0, -1).map((step) => step.pkg))
    await publish(pkg, options)
    log(`${label}: published`)
  }
}

/**
 * Returns the plan as a table.
 *
 * @param {readonly Step[]} steps
 * @param {readonly string[]} options of `npm publish`
 */
export function planText(steps, options) {
  const texts = {
    publish: `npm publish ${options.join(' ')}`,
    skip: 'already published, skipped',
    conflict: 'ANOTHER TARBALL IS PUBLISHED AS THIS VERSION',
    missing: 'tarball missing',
  }
  const lines = steps.map(({ pkg, action, bytes }, index) => {
    const label = `${pkg.name}@${pkg.version}`.padEnd(38)
    const size = bytes === 0 ? '' : `${(bytes / 2 ** 20).toFixed(1)} MiB`
    return `${String(index + 1).padStart(3)}  ${label} ${size.padStart(10)}  ${texts[action]}`
  })
  return `${lines.join('\n')}\n`
}

/**
 * Returns the problems of a plan.
 *
 * @param {readonly Step[]} steps
 */
export function planProblems(steps) {
  return steps
    .filter(({ action }) => action === 'conflict')
    .map(
      ({ pkg }) =>
        `${pkg.name}@${pkg.version} is published with other contents: publish the tarballs of ` +
        'the interrupted release, or increase the version',
    )
}
