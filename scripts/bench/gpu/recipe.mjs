// The recipe `fast` from start to end, beside the same one in PyTorch.

import { join } from 'node:path'
import { run } from '../../setup/command.mjs'
import { BuildError } from '../../setup/error.mjs'
import { node, path } from '../cases/programs.mjs'
import { Peer } from '../peer.mjs'
import { UNMEASURED } from './how.mjs'

/**
 * @typedef {object} Trained
 * @property {string} net
 * @property {number} epochs
 * @property {boolean} onDevice whether ours trained on the same device
 * @property {{ accuracy: number, seconds: number }} ours
 * @property {{ accuracy: number, seconds: number }} theirs
 */

const FAST = { net: 'resnet18', epochs: 15 }
const TINY_FAST = { net: 'resnet20', epochs: 2 }

/**
 * @param {string} data train/<class> and test/<class>
 * @param {import('./how.mjs').How} how
 * @returns {Promise<Trained>}
 */
export async function fastRecipe(data, { python, device, tiny, folder, game }) {
  const { net, epochs } = tiny ? TINY_FAST : FAST
  game.log(`the recipe fast, ${net}, ${epochs} epochs`)
  const peer = new Peer(node('gpu/fast', { data, net, epochs, out: join(folder, 'fast') }))
  const ours = await peer.read()
  await peer.close()
  const { status, stdout, stderr } = await run(python, [
    ...[path('../../trials/pytorch_cifar.py'), data, '--recipe', 'fast', '--net', net],
    ...['--epochs', String(epochs), '--device', device],
    ...(device === 'cuda' ? ['--bf16'] : []),
  ])
  if (status !== 0) throw new BuildError(`PyTorch's training failed:\n${stderr.trim()}`)
  const theirs = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}')
  return {
    net,
    epochs,
    onDevice: ours.device === device,
    ours: { accuracy: ours.accuracy, seconds: ours.seconds },
    theirs: { accuracy: theirs.testAccuracy, seconds: theirs.seconds },
  }
}

/** @param {Trained | undefined} trained */
export function recipeTable(trained) {
  const heading = ['recipe `fast`', 'test accuracy', 'seconds']
  if (trained === undefined) {
    return { heading, rows: [['residual and PyTorch', UNMEASURED, UNMEASURED]] }
  }
  const { net, epochs, onDevice, ours, theirs } = trained
  const percent = (/** @type {number} */ share) => `${(100 * share).toFixed(2)} %`
  const seconds = onDevice ? ours.seconds.toFixed(1) : `${UNMEASURED} (ours found no GPU)`
  return {
    heading,
    rows: [
      [`residual, ${net}, ${epochs} epochs`, percent(ours.accuracy), seconds],
      ['PyTorch, all images on the device', percent(theirs.accuracy), theirs.seconds.toFixed(1)],
    ],
  }
}
