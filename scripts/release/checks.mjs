import { hasSection } from './changelog.mjs'
import { git, tagOf } from './git.mjs'
import { tarballProblems } from './tarballs.mjs'
import { readVersions } from './versions.mjs'

/** @typedef {import('./packages.mjs').Package} Package */

/**
 * Returns the reasons against a release of the repository in its present state.
 *
 * @param {string} root
 * @returns {Promise<string[]>} one sentence each
 */
export async function repositoryProblems(root) {
  const [first, ...others] = await readVersions(root)
  const version = first?.version ?? ''
  const different = others.filter((other) => other.version !== version)
  const changed = await git(root, ['status', '--porcelain'])
  const tags = await git(root, ['tag', '--points-at', 'HEAD'])
  return [
    ...different.map(
      (other) => `${other.file} has version ${other.version}, package.json has ${version}`,
    ),
    ...(changed === ''
      ? []
      : [`The working tree has changes: commit them (${changed.split('\n').length} files)`]),
    ...(tags.split('\n').includes(tagOf(version))
      ? []
      : [`HEAD has no tag ${tagOf(version)}: \`git tag ${tagOf(version)}\``]),
    ...((await hasSection(root, version))
      ? []
      : [`CHANGELOG.md has no section ${version}: \`npm run release -- --version ${version}\``]),
  ]
}

/**
 * Returns the reasons against publishing the tarballs.
 *
 * @param {readonly Package[]} packages
 * @returns {Promise<string[]>} one sentence each
 */
export async function packageProblems(packages) {
  return (await Promise.all(packages.map((pkg) => tarballProblems(pkg)))).flat()
}
