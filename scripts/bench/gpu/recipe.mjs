// The recipe `fast` from start to end, beside the same one in PyTorch.

import { join } from 'node:path'
import { run } from '../../setup/command.mjs'
import { BuildError } from '../../setup/error.mjs'
import { node, path } from '../cases/programs.mjs'
import { Peer, PeerError } from '../peer.mjs'
import { UNMEASURED } from './how.mjs'

/**
 * @typedef {object} Trained
 * @property {string} net
 * @property {number} epochs
 * @property {{ accuracy: number, seconds: number }} [ours] if it trains on the device
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
  const ours = await oursOf({ data, net, epochs, device, out: join(folder, 'fast') }, game)
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
    ours: ours && { accuracy: ours.accuracy, seconds: ours.seconds },
    theirs: { accuracy: theirs.testAccuracy, seconds: theirs.seconds },
  }
}

/**
 * @param {Record<string, unknown>} wanted
 * @param {import('../contest.mjs').Game} game
 */
async function oursOf(wanted, game) {
  const peer = new Peer(node('gpu/fast', wanted))
  try {
    return await peer.read()
  } catch (error) {
    if (!(error instanceof PeerError)) throw error
    game.log(error.message)
    return undefined
  } finally {
    await peer.close()
  }
}

/** @param {Trained | undefined} trained */
export function recipeTable(trained) {
  const heading = ['recipe `fast`', 'test accuracy', 'seconds']
  if (trained === undefined) {
    return { heading, rows: [['residual and PyTorch', UNMEASURED, UNMEASURED]] }
  }
  const { net, epochs, ours, theirs } = trained
  const percent = (/** @type {number} */ share) => `${(100 * share).toFixed(2)} %`
  return {
    heading,
    rows: [
      [
        `residual, ${net}, ${epochs} epochs`,
        ours ? percent(ours.accuracy) : `${UNMEASURED} (ours does not train on it)`,
        ours?.seconds.toFixed(1) ?? UNMEASURED,
      ],
      ['PyTorch, all images on the device', percent(theirs.accuracy), theirs.seconds.toFixed(1)],
    ],
  }
}
