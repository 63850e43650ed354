/**
 * What a user may write and what the compiler has to refuse; compiling this file is the test, with
 * `strict` and `exactOptionalPropertyTypes`.
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

export async function right(lr: number | undefined, signal: AbortSignal | undefined) {
  const config: TrainConfig = {
    data: './photos',
    model: { arch: 'resnet18', stem: 'cifar', zeroInitResidual: undefined },
    batchSize: 'auto',
    optimizer: { type: 'sgd', lr },
    schedule: 'plateau',
    transform: { crop: { type: 'pad', padding: 4 }, flip: true },
    precision: 'auto',
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
  for await (const event of run) tell(event)
  const result: TrainResult = await run
  const again: TrainConfig = { resume: result.dir }
  const checkpoint: string | undefined = result.best?.checkpoint

  await using model = await loadModel(checkpoint ?? result.last)
  const one: Prediction = await model.predict('cat.jpg', { top: 3 })
  const many: Prediction[] = await model.predict(['cat.jpg', new Uint8Array(3)])
  const where: EvaluateConfig = { split: 'test', data: undefined }
  const { accuracy } = await evaluate(result.dir, where)
  const { layers } = await inspect({ model: 'resnet20', classes: 10 })
  return { again, one, many, accuracy, layers }
}

function tell(event: RunEvent): string | number {
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

export function caught(error: unknown): number {
  if (error instanceof AbortError) return error.checkpoint?.length ?? 0
  if (!(error instanceof ResidualError)) throw error
  const code: ErrorCode = error.code
  return code === 'E_CONFIG' && error.at.key === 'optimizer.lr' ? 0 : exitStatus[code]
}

export async function wrong() {
  // @ts-expect-error: there is no such key
  train({ data: './x', lr: 0.1 })
  // @ts-expect-error: a key of another schedule
  train({ data: './x', schedule: { type: 'constant', gamma: 0.1 } })
  // @ts-expect-error: no such word
  train({ data: './x', precision: 'fp8' })
  // @ts-expect-error: a number is wanted
  train({ data: './x', epochs: '3' })
  // @ts-expect-error: hooks are no plain data
  train({ data: './x', onEpoch() {} })
  // @ts-expect-error: no such answer
  train({ data: './x' }, { onEpoch: () => 'halt' })
  // @ts-expect-error: no such hook
  train({ data: './x' }, { onBatch() {} })
  // @ts-expect-error: a run comes from train()
  new Run()
  const run = train({})
  // @ts-expect-error: read-only
  run.dir = 'elsewhere'
  // @ts-expect-error: null if no epoch was finished
  ;(await run).best.checkpoint
  const model = await loadModel('x')
  // @ts-expect-error: one image gives one prediction
  const many: Prediction[] = await model.predict('cat.jpg')
  // @ts-expect-error: pixels need their shape
  await model.predict({ data: new Uint8Array(3) })
  return many
}
