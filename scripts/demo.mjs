// npm run demo: builds a clone and trains a small network on the included images.

import { join, relative } from 'node:path'
import { build } from './build.mjs'
import { writeSampleImages } from './demo/sample-images.mjs'
import { run } from './setup/command.mjs'
import { BuildError } from './setup/error.mjs'
import { ROOT, runScript } from './setup.mjs'

const OUT = 'runs/demo'
const CLI = 'dist/cli/main.js'

/** Trains for about a minute on two cores, to a test accuracy of about 89 %. */
const TRAINING = [
  ...['train', 'fashion-mnist-mini', '--model', 'resnet20', '--epochs', '8', '--out', OUT],
  ...['batchSize=64', 'warmup.epochs=1', 'overwrite=true'],
]

/** @param {readonly string[]} args */
async function residual(args) {
  const { status } = await run(process.execPath, [CLI, ...args], { cwd: ROOT, output: 'show' })
  // The command has printed the error.
  if (status !== 0) throw new BuildError(`residual ${args[0]} failed (exit status ${status})`)
}

/** @param {string} text */
function print(text) {
  process.stderr.write(`${text}\n`)
}

await runScript(import.meta.url, async () => {
  await build()
  print('\nTraining a ResNet-20 on 12,000 images of clothing.\n')
  await residual(TRAINING)

  const images = await writeSampleImages(
    join(ROOT, 'data', 'fashion-mnist-mini'),
    join(ROOT, OUT, 'images'),
  )
  const files = images.map(({ file }) => relative(ROOT, file))
  print('\nPredictions for ten test images, whose file names are their classes:\n')
  await residual(['predict', OUT, ...files])

  print(`
Next steps, from this folder:
  node ${CLI} predict ${OUT} ${files[0]} --json
  node ${CLI} eval ${OUT}
  node ${CLI} train --resume ${OUT} epochs=12
  node ${CLI} inspect resnet50
Train on your own images (one folder per class):
  node ${CLI} train ./photos
Run folder: ${OUT} (config.json, metrics.csv, checkpoints, result.json)
Report: ${join(ROOT, OUT, 'report.html')}`)
})
