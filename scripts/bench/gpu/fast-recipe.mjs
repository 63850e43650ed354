// Compares a complete training run of the recipe `fast` with the same training in PyTorch. The times
// differ in scope: residual decodes the images while it trains; the PyTorch script decodes all images
// into memory first, and its time starts afterwards.

import { join } from 'node:path'
import { run } from '../../setup/command.mjs'
import { BuildError } from '../../setup/error.mjs'
import { node, scriptPath } from '../cases/programs.mjs'
import { Worker, WorkerError } from '../worker.mjs'
import { NOT_MEASURED } from './options.mjs'

/** @typedef {{ accuracy: number, seconds: number }} TrainingResult */

/**
 * @typedef {object} FastRecipeResult
 * @property {string} net
 * @property {number} epochs
 * @property {TrainingResult} [residual] undefined if training failed or timed out
 * @property {TrainingResult} pytorch
 */

const FULL = { net: 'resnet18', epochs: 15 }
const TINY = { net: 'resnet20', epochs: 2 }

/**
 * Trains with residual and with PyTorch.
 *
 * @param {string} data folder with train/<class> and test/<class>
 * @param {import('./options.mjs').GpuOptions} options
 * @returns {Promise<FastRecipeResult>}
 */
export async function trainFastRecipe(data, { python, device, tiny, folder, settings }) {
  const { net, epochs } = tiny ? TINY : FULL
  settings.log(`recipe fast, ${net}, ${epochs} epochs`)
  const config = { data, net, epochs, device, out: join(folder, 'fast') }
  const residual = await trainResidual(config, settings)
  const { status, stdout, stderr } = await run(python, [
    ...[scriptPath('../../trials/pytorch_cifar.py'), data, '--recipe', 'fast', '--net', net],
    ...['--epochs', String(epochs), '--device', device],
    ...(device === 'cuda' ? ['--bf16'] : []),
  ])
  if (status !== 0) throw new BuildError(`training with PyTorch failed:\n${stderr.trim()}`)
  const result = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}')
  return {
    net,
    epochs,
    residual: residual && { accuracy: residual.accuracy, seconds: residual.seconds },
    pytorch: { accuracy: result.testAccuracy, seconds: result.seconds },
  }
}

/**
 * @param {Record<string, unknown>} config
 * @param {import('../comparison.mjs').Settings} settings
 */
async function trainResidual(config, settings) {
  const worker = new Worker(node('gpu/train-fast', config))
  try {
    return await worker.readLine()
  } catch (error) {
    if (!(error instanceof WorkerError)) throw error
    settings.log(error.message)
    return undefined
  } finally {
    await worker.close()
  }
}

/**
 * Returns a table with a row for each implementation.
 *
 * @param {FastRecipeResult | undefined} result
 */
export function recipeTable(result) {
  const header = ['recipe `fast`', 'test accuracy', 'seconds (PyTorch: without decoding)']
  if (result === undefined) {
    return { header, rows: [['residual and PyTorch', NOT_MEASURED, NOT_MEASURED]] }
  }
  const { net, epochs, residual, pytorch } = result
  const percent = (/** @type {number} */ fraction) => `${(100 * fraction).toFixed(2)} %`
  return {
    header,
    rows: [
      [
        `residual, ${net}, ${epochs} epochs`,
        residual ? percent(residual.accuracy) : `${NOT_MEASURED} (training failed or timed out)`,
        residual?.seconds.toFixed(1) ?? NOT_MEASURED,
      ],
      ['PyTorch, all images on the device', percent(pytorch.accuracy), pytorch.seconds.toFixed(1)],
    ],
  }
}
