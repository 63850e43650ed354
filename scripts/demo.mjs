// npm run demo: from a clone to a trained network in one command.

import { join, relative } from 'node:path'
import { build } from './build.mjs'
import { writePictures } from './demo/pictures.mjs'
import { run } from './setup/command.mjs'
import { BuildError } from './setup/error.mjs'
import { ROOT, runScript } from './setup.mjs'

const OUT = 'runs/demo'
const CLI = 'dist/cli/main.js'

/** About a minute on two cores, and some 89 % of the test pictures right. */
const TRAINING = [
  ...['train', 'fashion-mnist-mini', '--model', 'resnet20', '--epochs', '8', '--out', OUT],
  ...['batchSize=64', 'warmup.epochs=1', 'overwrite=true'],
]

/** @param {readonly string[]} args */
async function residual(args) {
  const { status } = await run(process.execPath, [CLI, ...args], { cwd: ROOT, output: 'show' })
  // It has said itself what went wrong.
  if (status !== 0) throw new BuildError(`residual ${args[0]} ended with status ${status}`)
}

/** @param {string} text */
function say(text) {
  process.stderr.write(`${text}\n`)
}

await runScript(import.meta.url, async () => {
  await build()
  say('\nTraining a ResNet-20 on 12,000 pictures of clothes.\n')
  await residual(TRAINING)

  const pictures = await writePictures(
    join(ROOT, 'data', 'fashion-mnist-mini'),
    join(ROOT, OUT, 'pictures'),
  )
  const files = pictures.map(({ file }) => relative(ROOT, file))
  say('\nWhat it takes ten test pictures for, each named after what it shows:\n')
  await residual(['predict', OUT, ...files])

  say(`
Try next, from this folder:
  node ${CLI} predict ${OUT} ${files[0]} --json
  node ${CLI} eval ${OUT}
  node ${CLI} train --resume ${OUT} epochs=12
  node ${CLI} inspect resnet50
Or give it a folder of your own pictures, one folder a class:
  node ${CLI} train ./photos
The run is in ${OUT}: config.json, metrics.csv, checkpoints, result.json.
What it came to, with pictures, is a page to open in a browser:
  ${join(ROOT, OUT, 'report.html')}`)
})
