import type { Command } from 'commander'
import { AbortError, plan, type Run, recipes, type TrainResult, train } from '../../index.js'
import {
  configure,
  type Draft,
  readConfiguration,
  type Flags as TrainFlags,
} from '../arguments/config-arguments.js'
import { examples } from '../help.js'
import { Interrupt } from '../interrupt.js'
import { remark } from '../messages.js'
import { DownloadLine, stayOffline } from '../output/download-progress.js'
import { choices, explanation } from '../output/explain-config.js'
import { count, duration, many, percent } from '../output/format.js'
import { planInWords } from '../output/plan-summary.js'
import { report } from '../output/print-error.js'
import { Progress } from '../output/progress.js'
import { print, tell } from '../output/streams.js'
import { harmless } from '../output/terminal.js'
import { warning } from '../output/warning.js'
import { LivePage } from './dashboard.js'
import { downloading } from './data.js'

interface Flags extends TrainFlags {
  report: boolean
  open?: true
  offline?: true
  dryRun?: true
  explain?: true
  json?: true
  quiet?: true
}

/** `residual train` */
export function addTrain(program: Command): void {
  const verb = program
    .command('train')
    .description('train on a folder of images or a named data set, or go on with a run')
    .argument('[data]', 'a folder, or the name of a data set')
    .argument('[settings...]', 'any configuration key: optimizer.lr=0.05 batchSize=64')
    .option('--config <file>', 'a configuration in YAML or JSON, a config.json of an earlier run')
    .option('--recipe <name>', 'a published way to train (see `residual recipes`), or a file')
    .option('--model <name>', 'the network: resnet18, resnet20, ...')
    .option('--epochs <count>', 'passes over the training images')
    .option('--out <folder>', 'the run folder')
    .option('--resume <run>', 'go on from a run folder or a checkpoint')
    .option('--offline', 'fetch nothing, neither a data set nor weights to begin from')
    .option('--dry-run', 'say what would be done, and the time and memory for it; train nothing')
    .option('--explain', 'say where each value of the configuration is from')
    .option('--open', 'serve a page on which it is watched, and open it')
    .option('--no-report', 'write no report.html at the end')
    .option('--json', 'print one event a line, as JSON')
    .option('--quiet', 'show no progress, warnings alone')
    .action(async (data: string | undefined, settings: string[], flags: Flags) => {
      const words = data === undefined ? settings : [data, ...settings]
      if (flags.offline) stayOffline()
      const draft = configure(words, flags)
      if (flags.dryRun) await rehearse(draft, flags)
      else await start(draft, flags)
    })
  examples(
    verb,
    ['train ./photos', 'a folder in it for each class; the rest is chosen, and said'],
    ['train ./photos --open', 'and watch it, on a page'],
    ['train ./photos --dry-run --explain', 'what would be chosen, why, and how long it would take'],
    ['train ./photos --model resnet50 --epochs 20 optimizer.lr=0.05', 'with a mind of your own'],
    ['train ./photos model.weights=none', 'from nothing, not from weights that know photographs'],
    ['train cifar10 --recipe he2015-cifar', 'as the paper did'],
    ['train --resume runs/latest', 'go on after Ctrl-C, which saves'],
    ['train --config runs/latest/config.json --out runs/again', 'the same once more'],
  )
}

async function start(draft: Draft, flags: Flags): Promise<void> {
  const line = flags.json || flags.quiet ? undefined : new DownloadLine()
  const { report } = flags
  const options = { report, onDownload: line?.show, onStart: () => line?.end() }
  await using page = new LivePage()
  const hasEnded = await follow(train(draft, options), draft, flags, page)
  if (hasEnded && !flags.json) await page.untilInterrupted()
}

async function rehearse(draft: Draft, { json, quiet, explain }: Flags): Promise<void> {
  await downloading(json || quiet || false, async (downloads) => {
    const planned = await plan(draft, downloads)
    if (json) return await print(JSON.stringify(planned))
    const { config } = planned
    const why = explain ? explanation(config, draft, await saidBy(draft.recipe)) : undefined
    await print(planInWords(planned, why))
  })
}

/** Shows a run until its end. False if it was ended by a signal, which then ends the command, too. */
async function follow(run: Run, draft: Draft, flags: Flags, page: LivePage): Promise<boolean> {
  const { json, quiet, explain } = flags
  const progress = json || quiet ? undefined : new Progress()
  using interrupt = new Interrupt((signal) => {
    progress?.note(remark.stopping(signal))
    run.stop()
  })
  try {
    for await (const event of run) {
      progress?.show(event)
      if (event.type === 'start' && flags.open) await page.open(event.dir)
      if (json) await print(JSON.stringify(event))
      else if (quiet && event.type === 'warning') tell(warning(event))
      else if (event.type === 'start' && explain) {
        tell(explanation(event.config, draft, await saidBy(draft.recipe)))
      } else if (event.type === 'start' && event.resumedAt === 0) {
        const made = choices(event.config)
        if (made.length > 0) progress?.note([remark.chosen, ...made.map(indented)].join('\n'))
      }
    }
    const result = await run
    if (!json) await print(summary(result))
    return interrupt.exitStatus === undefined
  } catch (error) {
    const interrupted = interrupt.exitStatus !== undefined && error instanceof AbortError
    if (!interrupted) throw error
    report(error) // it had not begun to train: there is nothing to save
  } finally {
    progress?.end()
    if (interrupt.exitStatus !== undefined) process.exitCode = interrupt.exitStatus
  }
  return false
}

/** What a recipe sets. */
async function saidBy(name: unknown): Promise<Draft> {
  if (typeof name !== 'string') return {}
  const recipe = (await recipes()).find((recipe) => recipe.name === name)
  return recipe === undefined ? readConfiguration(name) : { ...recipe.config }
}

function summary(result: TrainResult): string {
  const { stopReason, epochs, steps, best, test, dir, last, seconds, report } = result
  const rows: [string, string][] = [
    [
      'ended',
      `${stopReason} after ${many(epochs, 'epoch')}, ${many(steps, 'step')}, ${duration(seconds)}`,
    ],
  ]
  if (best !== null) rows.push(['best epoch', `${best.epoch}, accuracy ${percent(best.accuracy)}`])
  if (test !== null)
    rows.push(['test accuracy', `${percent(test.accuracy)} of ${count(test.count)} images`])
  rows.push(['checkpoint', best?.checkpoint ?? last], ['run folder', dir])
  if (report !== undefined) rows.push(['report', report])
  if (stopReason === 'stopped') rows.push(['go on with', `residual train --resume ${dir}`])
  return rows.map(([name, value]) => `${name.padEnd(14)} ${harmless(value)}`).join('\n')
}

function indented(line: string): string {
  return `  ${line}`
}
