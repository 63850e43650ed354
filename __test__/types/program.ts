/**
 * Valid and invalid uses of the public types. Compiling this file with `strict` and
 * `exactOptionalPropertyTypes` is the test.
 */
import {
  AbortError,
  type ErrorCode,
  type EvaluateConfig,
  evaluate,
  exitStatus,
  inspect,
  loadModel,
  type Prediction,
  ResidualError,
  Run,
  type RunEvent,
  type TrainConfig,
  type TrainResult,
  train,
} from 'residual'

export async function validProgram(lr: number | undefined, signal: AbortSignal | undefined) {
  const config: TrainConfig = {
    data: './photos',
    model: { arch: 'resnet18', stem: 'cifar', zeroInitResidual: undefined },
    batchSize: 'auto',
    optimizer: { type: 'sgd', lr },
    schedule: 'plateau',
    transform: { crop: { type: 'pad', padding: 4 }, flip: true },
    precision: 'auto',
  }
  const shortForms: TrainConfig = {
    optimizer: { lr: 0.05 },
    schedule: { minLr: 0 },
    transform: { crop: 'pad', mix: { type: 'mixup', alpha: 0.2 } },
  }
  const run: Run = train(config, {
    signal,
    onStep(event) {
      const loss: number = event.loss
      return loss > 100 ? 'stop' : undefined
    },
    onEpoch: async ({ val }) => ((val?.accuracy ?? 0) > 0.95 ? 'stop' : undefined),
    onEnd: undefined,
  })
  for await (const event of run) readEvent(event)
  const result: TrainResult = await run
  const resumed: TrainConfig = { resume: result.dir }
  const checkpoint: string | undefined = result.best?.checkpoint

  await using model = await loadModel(checkpoint ?? result.last)
  const single: Prediction = await model.predict('cat.jpg', { top: 3 })
  const several: Prediction[] = await model.predict(['cat.jpg', new Uint8Array(3)])
  const evaluateConfig: EvaluateConfig = { split: 'test', data: undefined }
  const { accuracy } = await evaluate(result.dir, evaluateConfig)
  const { layers } = await inspect({ model: 'resnet20', classes: 10 })
  await model.predict({ data: new Uint8ClampedArray(4), width: 1, height: 1 })
  return { shortForms, resumed, single, several, accuracy, layers }
}

function readEvent(event: RunEvent): string | number {
  switch (event.type) {
    case 'start':
      return event.config.optimizer.type === 'sgd' ? event.config.optimizer.lr : 0
    case 'step':
      return event.etaSeconds ?? 0
    case 'epoch':
      return event.val?.accuracy ?? event.train.accuracy
    case 'checkpoint':
      return event.path
    case 'warning':
      return event.hint ?? event.message
    case 'end':
      return event.result.stopReason
  }
}

export function handleError(error: unknown): number {
  if (error instanceof AbortError) return error.checkpoint?.length ?? 0
  if (!(error instanceof ResidualError)) throw error
  const code: ErrorCode = error.code
  return code === 'E_CONFIG' && error.at.key === 'optimizer.lr' ? 0 : exitStatus[code]
}

export async function invalidProgram() {
  // @ts-expect-error: unknown key
  train({ data: './x', lr: 0.1 })
  // @ts-expect-error: a key of another schedule
  train({ data: './x', schedule: { type: 'constant', gamma: 0.1 } })
  // @ts-expect-error: a key of another optimizer
  train({ data: './x', optimizer: { betas: [0.9, 0.99] } })
  // @ts-expect-error: unknown precision
  train({ data: './x', precision: 'fp8' })
  // @ts-expect-error: expects a number
  train({ data: './x', epochs: '3' })
  // @ts-expect-error: hooks are options, not configuration
  train({ data: './x', onEpoch() {} })
  // @ts-expect-error: unknown hook result
  train({ data: './x' }, { onEpoch: () => 'halt' })
  // @ts-expect-error: unknown hook
  train({ data: './x' }, { onBatch() {} })
  // @ts-expect-error: only train() creates a run
  new Run()
  const run = train({})
  // @ts-expect-error: read-only
  run.dir = 'elsewhere'
  // @ts-expect-error: `best` is null if no epoch was completed
  ;(await run).best.checkpoint
  const model = await loadModel('x')
  // @ts-expect-error: a single image returns a single prediction
  const predictions: Prediction[] = await model.predict('cat.jpg')
  // @ts-expect-error: pixels require a shape
  await model.predict({ data: new Uint8Array(3) })
  return predictions
}
