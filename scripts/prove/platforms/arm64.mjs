import { join } from 'node:path'
import { PACK } from '../../pack/tarball.mjs'
import { createProject } from '../../registry/project.mjs'
import { publishTarballs } from '../../registry/publish.mjs'
import { startRegistry } from '../../registry/server.mjs'
import { installTools } from '../../registry/tools.mjs'
import { run } from '../../setup/command.mjs'
import { BuildError } from '../../setup/error.mjs'
import { ROOT } from '../../setup.mjs'
import { programPath } from '../child.mjs'
import { runEmulated } from './emulator.mjs'

/** Platform that is emulated. */
export const NAME = 'linux-arm64-gnu'

/**
 * Numbers that `programs/train-and-predict.mjs` prints.
 *
 * @typedef {object} Numbers
 * @property {string} arch
 * @property {string} node
 * @property {number} parameters
 * @property {number[]} losses
 * @property {{ top: { label: string, probability: number }[] }[]} predictions
 * @property {string} last path of the checkpoint
 */

/**
 * Largest relative difference of losses between two processors: their sums round differently, and
 * training amplifies the differences.
 */
export const LOSS_TOLERANCE = 1e-5
/** Largest absolute difference of probabilities. */
export const PROBABILITY_TOLERANCE = 1e-5

/** Builds and packs the packages of the platform. */
export async function packArm64() {
  const args = ['scripts/pack.mjs', '--platform', NAME]
  const { status } = await run(process.execPath, args, { cwd: ROOT, output: 'show' })
  if (status !== 0) throw new BuildError(`packing ${NAME} failed (status ${status})`)
}

/**
 * Publishes the packed packages to a registry on this machine, and installs `residual` from there as npm
 * does on a machine of the platform.
 *
 * @param {string} folder empty folder
 * @returns {Promise<string>} folder of the project
 */
export async function installArm64(folder) {
  const modules = await installTools({ others: false })
  const registry = await startRegistry(modules, join(folder, 'server'))
  try {
    await publishTarballs({ registry, tarballs: PACK, folder, log: () => {} })
    const project = await createProject(join(folder, 'arm64'), registry)
    const target = ['--os=linux', '--cpu=arm64', '--libc=glibc']
    const { status, stderr } = await project.run(['npm', 'install', 'residual', ...target])
    if (status !== 0) throw new BuildError(`npm install failed:\n${stderr.trim()}`)
    return project.folder
  } finally {
    registry.stop()
  }
}

/**
 * Trains, predicts and exports in a project under emulation.
 *
 * @param {string} node path of Node for the platform
 * @param {string} project
 * @param {number} steps
 * @returns {Promise<Numbers>}
 */
export async function computeEmulated(node, project, steps) {
  const program = programPath('train-and-predict.mjs')
  return parse(await runEmulated(node, [program, String(steps)], project))
}

/**
 * Computes the same on this machine, with the clone's build.
 *
 * @param {string} project folder with a link to the clone as `node_modules/residual`
 * @param {number} steps
 * @returns {Promise<Numbers>}
 */
export async function computeHere(project, steps) {
  const program = programPath('train-and-predict.mjs')
  return parse(await run(process.execPath, [program, String(steps)], { cwd: project }))
}

/**
 * Returns the largest differences between the numbers of two processors.
 *
 * @param {Numbers} actual
 * @param {Numbers} expected
 */
export function differences(actual, expected) {
  const loss = expected.losses.map(
    (value, index) => Math.abs((actual.losses[index] ?? Number.NaN) - value) / value,
  )
  const probability = expected.predictions.flatMap(({ top }, index) =>
    top.map(({ label, probability }) => {
      const other = actual.predictions[index]?.top.find((entry) => entry.label === label)
      return Math.abs((other?.probability ?? Number.NaN) - probability)
    }),
  )
  return { loss: Math.max(...loss), probability: Math.max(...probability) }
}

/**
 * @param {import('../../setup/command.mjs').CommandResult} result
 * @returns {Numbers}
 */
function parse({ status, stdout, stderr }) {
  if (status !== 0) throw new BuildError(`training failed (status ${status}):\n${stderr.trim()}`)
  return JSON.parse(stdout)
}
