/** The oldest version of Node that this package supports, as in `engines` of package.json. */
const REQUIRED = [20, 19] as const

/**
 * Describes why this version of Node is not supported; undefined if it is, and in other runtimes,
 * which report the version of Node that they imitate. This module has no imports, so that it runs
 * in versions that cannot load the others.
 */
export function describeUnsupportedNode(
  versions: NodeJS.ProcessVersions = process.versions,
): string | undefined {
  const { node: version, electron, bun, deno } = versions
  if ((electron ?? bun ?? deno) !== undefined) return undefined
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const isSupported = major > REQUIRED[0] || (major === REQUIRED[0] && minor >= REQUIRED[1])
  return isSupported
    ? undefined
    : `residual needs Node ${REQUIRED.join('.')} or later, this is ${version}`
}
