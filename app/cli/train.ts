import type { Command } from 'commander'
import { AbortError, type Run, type TrainResult, train } from '../../bindings/ts/index.js'
import { configure, type Flags as TrainFlags } from './configuration.js'
import { DownloadLine } from './download.js'
import { report } from './failure.js'
import { Interrupt } from './interrupt.js'
import { print } from './output.js'
import { Progress } from './progress.js'
import { reportOn } from './report.js'
import { count, duration, percent } from './units.js'

interface Flags extends TrainFlags {
  report: boolean
  json?: true
  quiet?: true
}

/** `residual train` */
export function addTrain(program: Command): void {
  program
    .command('train')
    .description('train a network on a folder of images or a named data set')
    .argument('[data]', 'a folder, or the name of a data set')
    .argument('[settings...]', 'any configuration key: optimizer.lr=0.05 batchSize=64')
    .option('--config <file>', 'a configuration in YAML or JSON, a config.json of an earlier run')
    .option('--recipe <name>', 'a published way to train (see `residual recipes`), or a file')
    .option('--model <name>', 'the network: resnet18, resnet20, ...')
    .option('--epochs <count>', 'passes over the training images')
    .option('--out <folder>', 'the run folder')
    .option('--resume <run>', 'go on from a run folder or a checkpoint')
    .option('--no-report', 'write no report.html at the end')
    .option('--json', 'print one event a line, as JSON')
    .option('--quiet', 'show no progress')
    .action(async (data: string | undefined, settings: string[], flags: Flags) => {
      const words = data === undefined ? settings : [data, ...settings]
      const line = flags.json || flags.quiet ? undefined : new DownloadLine()
      const options = { onDownload: line?.show, onStart: () => line?.end() }
      const result = await follow(train(configure(words, flags), options), flags)
      // One that was stopped is to be gone on with.
      if (result === undefined || result.stopReason === 'stopped' || !flags.report) return
      const file = await reportOn(result.dir)
      if (file !== undefined && !flags.json) await print(row('report', file))
    })
}

/** Undefined if it was interrupted before it had a result. */
async function follow(run: Run, { json, quiet }: Flags): Promise<TrainResult | undefined> {
  const progress = json || quiet ? undefined : new Progress()
  using interrupt = new Interrupt((signal) => {
    progress?.note(`${signal}: saving a checkpoint; once more to end at once`)
    run.stop()
  })
  try {
    for await (const event of run) {
      progress?.show(event)
      if (json) await print(JSON.stringify(event))
    }
    const result = await run
    if (!json) await print(summary(result))
    return result
  } catch (error) {
    const interrupted = interrupt.exitStatus !== undefined && error instanceof AbortError
    if (!interrupted) throw error
    report(error) // it had not begun to train: there is nothing to save
  } finally {
    progress?.end()
    if (interrupt.exitStatus !== undefined) process.exitCode = interrupt.exitStatus
  }
  return undefined
}

function summary({
  stopReason,
  epochs,
  steps,
  best,
  test,
  dir,
  last,
  seconds,
}: TrainResult): string {
  const rows: [string, string][] = [
    ['ended', `${stopReason} after ${epochs} epochs, ${count(steps)} steps, ${duration(seconds)}`],
  ]
  if (best !== null) rows.push(['best epoch', `${best.epoch}, accuracy ${percent(best.accuracy)}`])
  if (test !== null)
    rows.push(['test accuracy', `${percent(test.accuracy)} of ${count(test.count)} images`])
  rows.push(['checkpoint', best?.checkpoint ?? last], ['run folder', dir])
  return rows.map(([name, value]) => row(name, value)).join('\n')
}

function row(name: string, value: string): string {
  return `${name.padEnd(14)} ${value}`
}
