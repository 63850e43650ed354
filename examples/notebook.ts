/**
 * The PyTorch notebook that this project starts from, start to end: the data and a grid of it, the
 * network, training with a log, checkpoints and going on from one, sample predictions, accuracy
 * overall and of each class.
 *
 *     node notebook.js [--data cifar10] [--epochs 50] [--out runs/notebook] [--resume]
 *
 * It differs where the notebook was wrong: the best epoch is chosen on validation images and not on
 * test images, and evaluation is done in evaluation mode on images that are not augmented.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  type EpochEvent,
  inspect,
  loadModel,
  previewDataset,
  renderPredictions,
  type TrainConfig,
  train,
} from 'residual'

const { values } = parseArgs({
  options: {
    data: { type: 'string', default: 'cifar10' },
    epochs: { type: 'string', default: '50' },
    out: { type: 'string', default: 'runs/notebook' },
    limit: { type: 'string' },
    resume: { type: 'boolean', default: false },
  },
})
const { data: source, out, limit } = values
const percent = (share: number) => `${(100 * share).toFixed(2)} %`

// The data. CIFAR-10 is downloaded at the first time, and checked.
const data = { source, validation: 0.1, ...(limit === undefined ? {} : { limit: Number(limit) }) }
const look = await previewDataset(source, { count: 64, title: 'Training images' })

// The network: a ResNet-34 for small images.
const network = await inspect({
  model: { arch: 'resnet34', stem: 'cifar' },
  imageSize: 32,
  classes: 10,
})
console.log(network.text)

// Training: batches of 128, SGD 0.1 / 0.9 / 5e-4, a tenth of the rate when the loss stops falling.
const config: TrainConfig = values.resume
  ? { resume: out, epochs: Number(values.epochs) } // from its last checkpoint, to the bit
  : {
      recipe: 'notebook',
      data,
      out,
      epochs: Number(values.epochs),
      monitor: 'val.accuracy', // the recipe's own is the training loss, for it holds nothing back
      checkpoint: { every: 10 },
    }

let rate: number | undefined
function log({ epoch, lr, train, val }: EpochEvent) {
  if (rate !== undefined && lr < rate) console.log(`learning rate reduced to ${lr}`)
  rate = lr
  const validation = val === null ? '' : `, validation ${percent(val.accuracy)}`
  const training = `loss ${train.loss.toFixed(4)}, training ${percent(train.accuracy)}`
  console.log(`epoch ${epoch}: ${training}${validation}`)
}

const run = train(config, {
  onEpoch: log,
  onCheckpoint: ({ kind, path }) => console.log(`saved ${kind} checkpoint ${path}`),
})
const { best, last, dir } = await run
await writeFile(join(dir, 'data.png'), look.png())

// The best checkpoint on the test images.
await using model = await loadModel(best?.checkpoint ?? last)
const evaluation = await model.evaluate({ part: 'test', samples: 24, thumbnails: 96 })
console.log(`\naccuracy of the network on ${evaluation.count} test images:`)
console.log(percent(evaluation.accuracy))
for (const { label, accuracy } of evaluation.classes) {
  console.log(`accuracy of ${label.padEnd(12)} ${percent(accuracy)}`)
}

// Sample predictions, as a picture.
const samples = renderPredictions(evaluation.samples, { title: 'What the network says' })
await writeFile(join(dir, 'predictions.png'), samples.png())
console.log(`\npictures: ${join(dir, 'data.png')}, ${join(dir, 'predictions.png')}`)
