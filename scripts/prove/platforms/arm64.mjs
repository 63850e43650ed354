import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PREBUILT_PLATFORMS } from '../../../src/native/prebuilt-platforms.js'
import { platformManifests } from '../../pack/manifests.mjs'
import { tarballPath } from '../../pack/tarball.mjs'
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
  await command(process.execPath, ['scripts/pack.mjs', '--platform', NAME], ROOT, 'show')
}

/**
 * Installs the packed packages as npm does on a machine of the platform.
 *
 * @param {string} project empty folder
 * @param {import('../../pack/tarball.mjs').Manifest} clone package.json of the repository
 */
export async function installArm64(project, clone) {
  await mkdir(project, { recursive: true })
  await writeFile(join(project, 'package.json'), '{ "private": true, "type": "module" }\n')
  const row = PREBUILT_PLATFORMS[NAME]
  if (row === undefined) throw new BuildError(`${NAME} is missing in the platform table`)
  const { addons, libtorch } = platformManifests(NAME, row, clone)
  await command(
    'npm',
    [
      ...['install', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund'],
      '--force',
      ...[addons, libtorch, clone].map(tarballPath),
    ],
    project,
  )
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

/**
 * @param {string} program
 * @param {readonly string[]} args
 * @param {string} cwd
 * @param {'collect' | 'show'} [output]
 */
async function command(program, args, cwd, output) {
  const { status, stderr } = await run(program, args, { cwd, output })
  if (status !== 0) throw new BuildError(`${program} ${args[0]} failed:\n${stderr.trim()}`)
}
