/**
 * The PyTorch notebook that this project is based on as one program: data set with a preview, network,
 * training with a log, checkpoints and resuming, sample predictions, accuracy overall and per class.
 *
 *     node notebook.js [--data cifar10] [--epochs 50] [--out runs/notebook] [--resume]
 *
 * Two differences from the notebook: the best epoch is selected by validation accuracy (the notebook
 * saves the last epoch), and evaluation uses evaluation mode and images without augmentation. The recipe
 * also pads and crops the training images.
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

// Data set. CIFAR-10 is downloaded on first use and verified.
const data = { source, validation: 0.1, ...(limit === undefined ? {} : { limit: Number(limit) }) }
const preview = await previewDataset(source, { count: 64, title: 'Training images' })

// Network: a ResNet-34 for small images.
const network = await inspect({
  model: { arch: 'resnet34', stem: 'cifar' },
  imageSize: 32,
  classes: 10,
})
console.log(network.text)

// Training: batch size 128, SGD 0.1 / 0.9 / 5e-4, learning rate divided by 10 on a plateau.
const config: TrainConfig = values.resume
  ? { resume: out, epochs: Number(values.epochs) } // continues from the last checkpoint
  : {
      recipe: 'notebook',
      data,
      out,
      epochs: Number(values.epochs),
      monitor: 'val.accuracy', // the recipe monitors the training loss, because it has no validation split
      checkpoint: { everyEpochs: 10 },
    }

let learningRate: number | undefined
function log({ epoch, lr, train, val }: EpochEvent) {
  if (learningRate !== undefined && lr < learningRate) console.log(`learning rate reduced to ${lr}`)
  learningRate = lr
  const validation = val === null ? '' : `, validation ${percent(val.accuracy)}`
  const training = `loss ${train.loss.toFixed(4)}, training ${percent(train.accuracy)}`
  console.log(`epoch ${epoch}: ${training}${validation}`)
}

const run = train(config, {
  onEpoch: log,
  onCheckpoint: ({ kind, path }) => console.log(`saved ${kind} checkpoint ${path}`),
})
const { best, last, dir } = await run
await writeFile(join(dir, 'data.png'), preview.png())

// Evaluation of the best checkpoint on the test images.
await using model = await loadModel(best?.checkpoint ?? last)
const evaluation = await model.evaluate({ split: 'test', samples: 24, thumbnails: 96 })
console.log(`\naccuracy of the network on ${evaluation.count} test images:`)
console.log(percent(evaluation.accuracy))
for (const { label, accuracy } of evaluation.classes) {
  console.log(`accuracy of ${label.padEnd(12)} ${percent(accuracy)}`)
}

// Sample predictions as an image.
const samples = renderPredictions(evaluation.samples, { title: 'Sample predictions' })
await writeFile(join(dir, 'predictions.png'), samples.png())
console.log(`\nimages: ${join(dir, 'data.png')}, ${join(dir, 'predictions.png')}`)
