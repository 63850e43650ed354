import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EvaluatedImage, Evaluation, RunEvent } from 'residual'

/** Properties of a sample run. */
export interface SampleRun {
  name?: string
  classes?: readonly string[]
  epochs?: number
  stepsPerEpoch?: number
  /** Overrides of the configuration. */
  config?: Record<string, unknown>
  version?: string
  /** Default: true. */
  finished?: boolean
}

/** Writes a run folder like that of a training run, but without checkpoints. */
export function writeSampleRun(parent: string, sample: SampleRun = {}): string {
  const { name = 'sample', classes = ['ant', 'bee', 'wasp'], epochs = 4, finished = true } = sample
  const dir = join(parent, name)
  mkdirSync(dir, { recursive: true })
  const config = { ...configuration(dir), epochs, ...sample.config }
  writeFileSync(join(dir, 'config.json'), JSON.stringify(config))
  const environment = {
    residual: sample.version ?? '0.1.0',
    libtorch: '2.11.0',
    cpu: 'a processor',
  }
  writeFileSync(join(dir, 'environment.json'), JSON.stringify(environment))
  const result = {
    stopReason: 'completed',
    dir,
    epochs,
    steps: epochs * (sample.stepsPerEpoch ?? 10),
    best: { epoch: epochs, accuracy: 0.875, loss: 0.5, checkpoint: join(dir, 'best.safetensors') },
    last: join(dir, 'last.safetensors'),
    test: { loss: 0.4, accuracy: 0.9, count: 100 },
    imagesPerSecond: 900,
    seconds: 12 * epochs,
  }
  if (finished) writeFileSync(join(dir, 'result.json'), JSON.stringify(result))
  const events = [...history(config, classes, epochs, sample.stepsPerEpoch ?? 10)]
  const lines = events.map((event) => `${JSON.stringify({ time: 1.5, ...event })}\n`)
  writeFileSync(join(dir, 'metrics.jsonl'), lines.join(''))
  return dir
}

function* history(
  config: object,
  classes: readonly string[],
  epochs: number,
  stepsPerEpoch: number,
): Generator<RunEvent> {
  const data = { source: './photos', classes, train: 80, val: 0, test: 20, fingerprint: '0' }
  const images = { trainImages: 72, valImages: 8, testImages: 20, parameters: 1000, macs: 10_000 }
  const start = { type: 'start', config, data, ...images, stepsPerEpoch, startStep: 0 }
  yield start as unknown as RunEvent
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const fraction = epoch / epochs
    const common = { epoch, lr: 0.1 * (1 - fraction), imagesPerSecond: 900 + (epoch % 7) }
    for (let stepInEpoch = 1; stepInEpoch <= stepsPerEpoch; stepInEpoch++) {
      const step = (epoch - 1) * stepsPerEpoch + stepInEpoch
      const loss = 2 / (1 + step / 50) + 0.1 * Math.sin(step)
      const progress = { loss, epochLoss: loss, epochAccuracy: fraction, etaSeconds: null }
      yield { type: 'step', ...common, step, stepInEpoch, stepsPerEpoch, ...progress }
    }
    yield {
      type: 'epoch',
      ...common,
      step: epoch * stepsPerEpoch,
      train: { loss: 1.2 - fraction, accuracy: 0.2 + 0.7 * fraction, count: 72 },
      val: {
        loss: 1.3 - fraction + 0.02 * (epoch % 3),
        accuracy: 0.2 + 0.675 * fraction,
        count: 8,
      },
      best: true,
      seconds: 12 * epoch,
    }
  }
}

function configuration(out: string): Record<string, unknown> {
  return {
    data: { source: './photos', format: 'image-folder', imageSize: 32, channels: 3 },
    transform: { crop: { type: 'pad', padding: 4 }, flip: true },
    model: { arch: 'resnet20', stem: 'cifar', weights: null },
    batchSize: 128,
    optimizer: { type: 'sgd', lr: 0.1 },
    schedule: { type: 'cosine', minLr: 0 },
    monitor: 'val.accuracy',
    seed: 0,
    out,
    resume: null,
    reasons: { batchSize: 'batch size of He et al. 2015 on CIFAR-10' },
  }
}

/** Creates an evaluation with plausible metrics and thumbnails of noise. */
export function makeEvaluation(classes: readonly string[]): Evaluation {
  const confusion = classes.map((_, row) =>
    classes.map((_, column) => (row === column ? 6 : (row * 31 + column * 17) % 300 === 0 ? 1 : 0)),
  )
  const examples = Array.from({ length: 24 }, (_, index) => example(classes, index))
  const bins = Array.from({ length: 15 }, (_, bin) => {
    const middle = (bin + 0.5) / 15
    return { from: bin / 15, to: (bin + 1) / 15, count: 600, confidence: middle, accuracy: middle }
  })
  return {
    ...{ loss: 1, accuracy: 0.6, top5: 0.8, count: 10 * classes.length },
    ...{ confusion, mostConfused: [] },
    classes: classes.map((label) => {
      return { label, accuracy: 0.6, precision: 0.6, f1: 0.6, count: 10, predicted: 10 }
    }),
    ...{ calibration: { error: 0.01, bins }, topLosses: examples, samples: examples },
    ...{ broken: 0, warnings: [], imagesPerSecond: 900 },
  }
}

/** Creates an example whose pixels are noise, which cannot be compressed. */
function example(classes: readonly string[], index: number): EvaluatedImage {
  const [label, predicted] = [0, 1].map(
    (offset) => classes[(index + offset) % classes.length] as string,
  )
  const pixels = Array.from(
    { length: 96 * 96 * 3 },
    (_, position) => (position * 7919 * (index + 1)) % 251,
  )
  return {
    ...{ index, name: `/photos/train/${label}/${index}.jpg` },
    ...{ label: label as string, predicted: predicted as string, probability: 0.9, loss: 3 },
    thumbnail: {
      ...{ width: 96, height: 96, channels: 3 },
      base64: Buffer.from(pixels).toString('base64'),
    },
  }
}
