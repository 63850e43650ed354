import type { Command } from 'commander'
import { followsAnotherProcess } from '../../api/run/process-rank.js'
import { AbortError, plan, type Run, recipes, train } from '../../index.js'
import {
  addConfigOptions,
  type ConfigFlags,
  configFromArguments,
  type Draft,
  readConfigFile,
} from '../arguments/config-arguments.js'
import { addExamples } from '../help.js'
import { InterruptHandler } from '../interrupt.js'
import { notice } from '../messages.js'
import { DownloadProgressLine, setOffline, withDownloads } from '../output/download-progress.js'
import { printError } from '../output/print-error.js'
import { explainConfig, formatChosenValues } from '../output/run/explain-config.js'
import { formatPlan } from '../output/run/plan-summary.js'
import { Progress } from '../output/run/progress.js'
import { RunSummary } from '../output/run/run-summary.js'
import { log, print } from '../output/streams.js'
import { formatWarning } from '../output/warning.js'
import { RunDashboard } from './run-dashboard.js'

interface Flags extends ConfigFlags {
  report: boolean
  open?: true
  offline?: true
  dryRun?: true
  explain?: true
  json?: true
  quiet?: true
}

/** Adds `residual train`. */
export function addTrain(program: Command): void {
  const command = program
    .command('train')
    .description('train a network on an image folder or a named data set, or resume a run')
    .argument('[data]', 'image folder or named data set')
    .argument('[overrides...]', 'override any setting: ema.decay=0.999 data.limit=1000')
  addConfigOptions(
    command,
    [
      ...(['recipe', 'model', 'epochs', 'batchSize', 'lr', 'imageSize', 'seed', 'device'] as const),
      ...(['out', 'overwrite', 'resume'] as const),
    ],
    { out: 'output folder of the run' },
  )
  command
    .option('--offline', 'do not download data sets or pretrained weights')
    .option('--dry-run', 'print the configuration and estimates of time and memory; do not train')
    .option('--explain', 'print every setting with the reason for its value')
    .option('--open', 'open the dashboard of the run in the browser')
    .option('--no-report', 'do not write report.html after training')
    .option('--json', 'print events as JSON, one per line')
    .option('--quiet', 'print only warnings, errors and the result')
    .action(async (data: string | undefined, overrides: string[], flags: Flags) => {
      const words = data === undefined ? overrides : [data, ...overrides]
      if (flags.offline) setOffline()
      const draft = configFromArguments(words, flags, 'train')
      if (flags.dryRun) await printPlan(draft, flags)
      else await start(draft, flags)
    })
  addExamples(
    command,
    ['train ./photos', 'train on images, one subfolder per class'],
    ['train ./photos --open', 'monitor the run in the browser'],
    ['train ./photos --dry-run --explain', 'print all settings, time and memory'],
    ['train ./photos --model resnet50 --epochs 20 --lr 0.05', 'set the most common settings'],
    ['train ./photos optimizer.momentum=0.8 transform.flip=false', 'override any setting'],
    ['train ./photos model.weights=none', 'train from scratch, without pretrained weights'],
    ['train cifar10 --recipe he2015-cifar', "train with the paper's recipe"],
    ['train --resume runs/latest', 'resume an interrupted run'],
    ['train --config runs/latest/config.json --out runs/again', 'repeat a run'],
  )
}

async function start(draft: Draft, flags: Flags): Promise<void> {
  const downloads = flags.json || flags.quiet ? undefined : new DownloadProgressLine()
  const { report } = flags
  const options = { report, onDownload: downloads?.show, onStart: () => downloads?.end() }
  await using dashboard = new RunDashboard()
  const isUninterrupted = await follow(train(draft, options), draft, flags, dashboard)
  if (isUninterrupted && !flags.json) await dashboard.untilInterrupted()
}

async function printPlan(draft: Draft, { json, quiet, explain }: Flags): Promise<void> {
  await withDownloads(json || quiet || false, async (downloads) => {
    const result = await plan(draft, downloads)
    if (json) return await print(JSON.stringify(result))
    const explanation = explain
      ? explainConfig(result.config, draft, await recipeConfig(draft.recipe), process.stdout)
      : undefined
    await print(formatPlan(result, explanation))
  })
}

/** Shows the progress of a run until its end. Returns false if the user interrupted the run. */
async function follow(
  run: Run,
  draft: Draft,
  flags: Flags,
  dashboard: RunDashboard,
): Promise<boolean> {
  const { json, quiet, explain } = flags
  const progress = json || quiet ? undefined : new Progress()
  using interrupt = new InterruptHandler((signal) => {
    progress?.note(notice.stopping(signal))
    run.stop()
  })
  const summary = new RunSummary()
  try {
    for await (const event of run) {
      progress?.show(event)
      summary.add(event)
      if (event.type === 'start' && flags.open) await dashboard.open(event.dir)
      if (json) await print(JSON.stringify(event))
      else if (quiet && event.type === 'warning') log(formatWarning(event))
      else if (event.type === 'start' && explain) {
        log(explainConfig(event.config, draft, await recipeConfig(draft.recipe)))
      } else if (event.type === 'start' && event.startStep === 0) {
        const chosen = formatChosenValues(event.config)
        if (chosen.length > 0)
          progress?.note([notice.chosenValues, ...chosen.map(indent)].join('\n'))
      }
    }
    const result = await run
    if (!json && !followsAnotherProcess()) await print(summary.format(result))
    return interrupt.exitStatus === undefined
  } catch (error) {
    const isInterrupted = interrupt.exitStatus !== undefined && error instanceof AbortError
    if (!isInterrupted) throw error
    printError(error) // interrupted before the first step, so there is no checkpoint
  } finally {
    progress?.end()
    if (interrupt.exitStatus !== undefined) process.exitCode = interrupt.exitStatus
  }
  return false
}

/** Returns the settings of a recipe, given by its name or its file. */
async function recipeConfig(name: unknown): Promise<Draft> {
  if (typeof name !== 'string') return {}
  const recipe = (await recipes()).find((recipe) => recipe.name === name)
  return recipe === undefined ? readConfigFile(name) : { ...recipe.config }
}

function indent(line: string): string {
  return `  ${line}`
}
