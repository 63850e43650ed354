import { TARGET } from '../build.mjs'
import { run } from '../setup/command.mjs'
import { BuildError } from '../setup/error.mjs'
import { ROOT } from '../setup.mjs'

/**
 * @typedef {object} Crate
 * @property {string} id
 * @property {string} name
 * @property {string} version
 * @property {string | null} license an SPDX expression, or an older notation
 * @property {string | null} repository
 * @property {readonly string[]} authors
 * @property {string | null} source null for the crates of this workspace
 * @property {string} manifest_path
 */

/**
 * A crate in the graph of `cargo metadata`. The kind of a normal dependency is null.
 *
 * @typedef {{ id: string, deps: { pkg: string, dep_kinds: { kind: string | null }[] }[] }} Node
 */

/**
 * @typedef {object} LinkedCrates
 * @property {readonly Crate[]} crates third-party crates, sorted by name
 * @property {ReadonlyMap<string, readonly string[]>} dependencies for the id of each crate, also of
 *   this workspace, the ids of the third-party crates that it depends on
 */

/**
 * Lists the third-party crates whose code is in an addon, without build dependencies.
 *
 * @returns {Promise<LinkedCrates>}
 */
export async function linkedCrates() {
  const [tree, metadata] = await Promise.all([
    runCargo('cargo', [
      ...[
        'tree',
        '--locked',
        '--package',
        'residual-node-core',
        '--package',
        'residual-node-torch',
      ],
      ...['--target', TARGET],
      ...['--edges', 'normal,no-proc-macro', '--prefix', 'none', '--format', '{p}'],
    ]),
    runCargo('cargo', [
      ...['metadata', '--locked', '--format-version', '1', '--filter-platform', TARGET],
    ]),
  ])
  const names = new Set(tree.stdout.split('\n').map((line) => line.replace(/ \(.*/, '')))
  /** @type {{ packages: Crate[], resolve: { nodes: Node[] } }} */
  const { packages, resolve } = JSON.parse(metadata.stdout)
  const linked = packages.filter(({ name, version }) => names.has(`${name} v${version}`))
  const crates = linked
    .filter(({ source }) => source !== null)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  const ids = new Set(crates.map(({ id }) => id))
  const isLinked = new Set(linked.map(({ id }) => id))
  const dependencies = new Map(
    resolve.nodes
      .filter(({ id }) => isLinked.has(id))
      .map(({ id, deps }) => [id, normalDependencies(deps).filter((dep) => ids.has(dep))]),
  )
  return { crates, dependencies }
}

/** @param {Node['deps']} deps */
function normalDependencies(deps) {
  return deps
    .filter(({ dep_kinds }) => dep_kinds.some(({ kind }) => kind === null))
    .map(({ pkg }) => pkg)
}

/**
 * Runs cargo or rustc in the repository.
 *
 * @param {string} program
 * @param {readonly string[]} args
 */
export async function runCargo(program, args) {
  const result = await run(program, args, { cwd: ROOT })
  if (result.status === 0) return result
  throw new BuildError(`${program} ${args[0]} failed:\n${result.stderr.trim()}`)
}
