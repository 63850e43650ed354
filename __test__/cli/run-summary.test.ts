import test from 'ava'
import type { EpochEvent, RunEvent, StartEvent, StopReason, TrainResult } from 'residual'
import { RunSummary } from '#dist/cli/output/run/run-summary.js'

/** Returns the summary of a run with 40 training images in five steps per epoch. */
function summarize(events: readonly RunEvent[], result: Partial<TrainResult>, startStep = 0) {
  const config = { batchSize: 8, epochs: 3, budget: { epochs: 3, steps: null } }
  const start = { config, trainImages: 40, valImages: 10, startStep, stepsPerEpoch: 5 }
  const summary = new RunSummary()
  summary.add({ type: 'start', ...start } as unknown as { type: 'start' } & StartEvent)
  for (const event of events) summary.add(event)
  const defaults = { stopReason: 'completed', best: null, test: null, dir: 'run', last: 'last' }
  return summary.format({ ...defaults, seconds: 1, ...result } as TrainResult)
}

const warning: RunEvent = {
  type: 'warning',
  code: 'E_IMAGE',
  message: '1.png is damaged; skipped',
  file: '1.png',
}

function epochEvent(epoch: number, train: number, val: number): RunEvent {
  const event = { epoch, step: 5 * epoch, train: { count: train }, val: { count: val } }
  return { type: 'epoch', ...event } as unknown as { type: 'epoch' } & EpochEvent
}

test('the summary counts unreadable images in complete epochs', (t) => {
  const one = epochEvent(1, 38, 9)
  const used = /^images used +38 of 40 training images, 9 of 10 validation images; the others/m
  t.regex(summarize([warning, one], { epochs: 1, steps: 5 }), used)
  // The budget ends the second epoch after two batches.
  const ended = { epochs: 1, steps: 7, stopReason: 'budget' } as const
  t.regex(summarize([warning, one, epochEvent(2, 16, 9)], ended), used)
  t.notRegex(summarize([epochEvent(1, 16, 10)], { ...ended, epochs: 0, steps: 2 }), /images used/)
})

test('a resumed run was complete only if it had nothing left to train', (t) => {
  const status = (stopReason: StopReason, startStep = 15) =>
    summarize([], { epochs: 3, steps: 15, stopReason }, startStep).split('\n')[0] ?? ''
  t.regex(status('completed'), /was complete after 3 epochs, 15 steps; .*`epochs` to more than 3/)
  t.regex(status('budget'), /was complete after .*; to train longer, increase `budget`/)
  t.regex(status('stopped'), /stopped after 3 epochs of 3 at step 15/)
  t.regex(status('early-stopping'), /stopped early after 3 epochs/)
  t.regex(status('completed', 10), /completed after 3 epochs, 15 steps/)
})
