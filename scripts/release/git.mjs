import { run } from '../setup/command.mjs'
import { BuildError } from '../setup/error.mjs'

/**
 * Returns the output of a git command in a repository.
 *
 * @param {string} root
 * @param {readonly string[]} args
 * @throws {BuildError} if git fails
 */
export async function git(root, args) {
  const { status, stdout, stderr } = await run('git', args, { cwd: root })
  if (status !== 0) throw new BuildError(`git ${args.join(' ')} failed:\n${stderr.trim()}`)
  return stdout.trim()
}

/**
 * Returns the commands that commit a prepared version and start its release. Before the first
 * release, CHANGELOG.md is not tracked, so that `git commit --all` alone would leave it out.
 *
 * @param {string} version
 */
export function releaseCommands(version) {
  const tag = tagOf(version)
  return [
    'git add CHANGELOG.md',
    `git commit --all --message "release: version ${version}"`,
    `git tag ${tag}`,
    `git push origin HEAD ${tag}`,
  ]
}

/**
 * Returns the tag of a version.
 *
 * @param {string} version
 */
export function tagOf(version) {
  return `v${version}`
}
