// npm run release: publishes the packed packages to npm. See docs/releasing.md.
//
//   npm run release -- --version minor   sets the version everywhere and writes CHANGELOG.md;
//                                        also major, patch, prerelease, or a version
//   npm run release -- --dry-run         checks the release and prints what would be published
//   npm run release                      publishes what is not published yet
//
//   --tarballs FOLDER   folder of the tarballs (pack/)
//
// npm's own configuration names the registry and the account.

import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { PREBUILT_PLATFORMS } from '../src/native/prebuilt-platforms.js'
import { PACK } from './pack/tarball.mjs'
import { writeChangelog } from './release/changelog.mjs'
import { packageProblems, repositoryProblems } from './release/checks.mjs'
import { releaseCommands } from './release/git.mjs'
import { releasePackages } from './release/packages.mjs'
import {
  planProblems,
  planRelease,
  planText,
  publishOptions,
  publishSteps,
} from './release/plan.mjs'
import { setVersion } from './release/versions.mjs'
import { BuildError } from './setup/error.mjs'
import { ROOT, runScript } from './setup.mjs'

function parseOptions() {
  return parseArgs({
    options: {
      'dry-run': { type: 'boolean', default: false },
      tarballs: { type: 'string', default: PACK },
      version: { type: 'string' },
    },
  }).values
}

/**
 * Sets the version and prints the next commands.
 *
 * @param {string} change
 */
async function prepare(change) {
  const version = await setVersion(ROOT, change)
  await writeChangelog(ROOT, version, new Date().toISOString().slice(0, 10))
  const commands = releaseCommands(version).map((command) => `  ${command}\n`)
  process.stdout.write(`version ${version}: read CHANGELOG.md, then\n${commands.join('')}`)
}

/**
 * Checks the release, prints the plan and, unless it is a dry run, publishes.
 *
 * @param {{ folder: string, isDryRun: boolean }} options
 */
async function release({ folder, isDryRun }) {
  const clone = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
  const packages = releasePackages(clone, PREBUILT_PLATFORMS, folder)
  const steps = await planRelease(packages)
  const options = publishOptions(clone.version, process.env)
  process.stdout.write(planText(steps, options))
  const problems = [
    ...(await repositoryProblems(ROOT)),
    ...(await packageProblems(packages)),
    ...planProblems(steps),
  ]
  if (problems.length > 0) {
    const list = problems.map((problem) => `  - ${problem}`).join('\n')
    throw new BuildError(`Not ready for a release:\n${list}`)
  }
  if (isDryRun) process.stdout.write('ready for a release; nothing was published\n')
  else await publishSteps(steps, options, (line) => process.stdout.write(`${line}\n`))
}

await runScript(import.meta.url, async () => {
  const options = parseOptions()
  if (options.version !== undefined) await prepare(options.version)
  else await release({ folder: resolve(options.tarballs), isDryRun: options['dry-run'] })
})
