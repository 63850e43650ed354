import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import {
  AbortError,
  type DegradationConfig,
  type EnsembleConfig,
  type EnsembleResult,
  type Evaluation,
  type ExperimentEvent,
  type ExperimentOptions,
  experiment,
  type RepeatConfig,
} from '../../index.js'
import {
  addConfigOptions,
  type ConfigFlags,
  configFromArguments,
  parseValue,
  setKey,
} from '../arguments/config-arguments.js'
import { uniquePaths } from '../arguments/unique-paths.js'
import { addExamples } from '../help.js'
import { InterruptHandler } from '../interrupt.js'
import { notice } from '../messages.js'
import { DownloadProgressLine, withDownloads } from '../output/download-progress.js'
import { formatCount, formatLoss, formatPercent } from '../output/format.js'
import { printError } from '../output/print-error.js'
import { Progress } from '../output/run/progress.js'
import { log, print } from '../output/streams.js'
import { outputWidth, sanitize } from '../output/terminal.js'
import { formatTable } from '../output/text-table.js'
import { formatWarning } from '../output/warning.js'

interface Flags extends ConfigFlags {
  depths?: string
  budget?: string
  json?: true
  quiet?: true
}

/** Output files of every experiment that trains. */
interface ExperimentFiles {
  table: { markdown: string }
  figure: { png: string }
}

/** Adds `residual experiment` with its subcommands. */
export function addExperiment(program: Command): void {
  const command = program
    .command('experiment')
    .description('train and compare several networks; finished runs are reused')
  addExamples(
    command,
    ['experiment degradation cifar10 --depths 20,56', 'compare plain and residual networks'],
    ['experiment repeat ./photos --seeds 5', 'mean and standard deviation over five seeds'],
    ['experiment ensemble runs/a runs/b', 'average the predictions of trained networks'],
  )

  addTrainingOptions(command.command('degradation'), ['data'])
    .description('compare plain and residual networks (figures 1, 4, 6 and 7 of the paper)')
    .option('--depths <list>', 'depths: 20,56 (6n+2 except 50, for CIFAR) or 18,34 (for ImageNet)')
    .option('--budget <steps>', 'optimizer steps per network (paper: 64000)')
    .action(async (data: string | undefined, overrides: string[], flags: Flags) => {
      const draft = configFromArguments(
        positional(data, overrides),
        flags,
        'experiment degradation',
      )
      if (flags.depths !== undefined) draft.depths = flags.depths.split(',').map(parseValue)
      if (flags.budget !== undefined) setKey(draft, 'budget.steps', parseValue(flags.budget))
      // The API and the core validate the draft.
      await runExperiment(flags, (options) =>
        experiment.degradation(draft as DegradationConfig, options),
      )
    })

  addTrainingOptions(command.command('repeat'), ['model'])
    .description('train one configuration with several seeds: mean, standard deviation, best')
    .action(async (data: string | undefined, overrides: string[], flags: Flags) => {
      const draft = configFromArguments(positional(data, overrides), flags, 'experiment repeat')
      await runExperiment(flags, (options) => experiment.repeat(draft as RepeatConfig, options))
    })

  addEnsemble(command.command('ensemble'))
}

interface EnsembleFlags {
  data?: string
  split?: string
  batchSize?: string
  crops?: string
  json?: true
}

function addEnsemble(command: Command): void {
  command
    .description('average the probabilities of several networks (table 5 of the paper)')
    .argument('<models...>', 'run folders or checkpoints')
    .option('--data <data>', 'image folder or named data set (default: as for the first model)')
    .option('--split <split>', 'train, val or test (default: test, otherwise val, otherwise train)')
    .option('--batch-size <count>', 'images per batch')
    .option('--crops <crops>', 'test-time augmentation: center (default), flip, ten or multi-scale')
    .option('--json', 'print all metrics as JSON')
    .action(async (paths: string[], flags: EnsembleFlags) => {
      const models = uniquePaths(paths)
      const { data, split, crops, json } = flags
      const batchSize = flags.batchSize && parseValue(flags.batchSize)
      const config = { data, split, crops, batchSize }
      await withDownloads(json ?? false, async (options) => {
        const result = await experiment.ensemble(models, config as EnsembleConfig, options)
        await print(json ? JSON.stringify(result) : formatEnsemble(result, models))
      })
    })
}

function formatEnsemble({ ensemble, members }: EnsembleResult, models: readonly string[]): string {
  const row = (name: string, { accuracy, top5, loss }: Evaluation) => [
    sanitize(name),
    formatPercent(1 - accuracy),
    formatPercent(1 - top5),
    formatLoss(loss),
  ]
  const rows = members.map(({ evaluation }, index) => row(models[index] ?? '', evaluation))
  const header = ['model', 'top-1 error', 'top-5 error', 'loss']
  const ensembleRow = row(`ensemble of ${members.length}`, ensemble)
  const layout = { priorities: [9, 8, 6, 7], width: outputWidth(process.stdout) }
  return `${formatTable(header, [...rows, ensembleRow], layout)}\n\n${formatCount(ensemble.count)} images`
}

/** Joins the positional arguments: the data set, if there is one, and the overrides. */
function positional(data: string | undefined, overrides: string[]): string[] {
  return data === undefined ? overrides : [data, ...overrides]
}

/** Adds the arguments and options that the experiments that train share, and the given flags. */
function addTrainingOptions(command: Command, flags: readonly ('data' | 'model')[]): Command {
  command
    .argument('[data]', 'image folder or named data set')
    .argument('[overrides...]', 'override any setting: ema.decay=0.999 data.limit=1000')
  return addConfigOptions(
    command,
    [
      ...flags,
      ...(['recipe', 'seeds', 'epochs', 'batchSize', 'lr', 'imageSize', 'seed', 'device'] as const),
      ...(['out', 'overwrite'] as const),
    ],
    { out: 'output folder of the experiment', seed: 'seed of the first run' },
  )
    .option('--json', 'print events as JSON, one per line, then the result')
    .option('--quiet', 'print only warnings, errors and the result')
}

/** Runs an experiment that trains, with progress on stderr and the results on stdout. */
async function runExperiment(
  { json, quiet }: Flags,
  start: (options: ExperimentOptions) => Promise<ExperimentFiles>,
): Promise<void> {
  const progress = json || quiet ? undefined : new Progress()
  const downloads = json || quiet ? undefined : new DownloadProgressLine()
  const controller = new AbortController()
  using interrupt = new InterruptHandler((signal) => {
    progress?.note(notice.stopping(signal))
    controller.abort()
  })
  let pendingOutput = Promise.resolve()
  const onEvent = (event: ExperimentEvent) => {
    if (event.type === 'start') downloads?.end()
    if (json) pendingOutput = pendingOutput.then(() => print(JSON.stringify(event)))
    else if (quiet && event.type === 'warning') log(formatWarning(event))
    if (event.type === 'member') {
      const { index, count, member, state } = event
      progress?.note(`${index}/${count} ${member}${state === 'new' ? '' : ` (${state})`}`)
    } else {
      progress?.show(event)
    }
  }
  try {
    const { signal } = controller
    const result = await start({ signal, onEvent, onDownload: downloads?.show })
    await pendingOutput
    if (json) await print(JSON.stringify({ type: 'result', ...result }))
    else {
      const markdown = readFileSync(result.table.markdown, 'utf8')
      await print(`${markdown}\nfigure  ${result.figure.png}\ntable   ${result.table.markdown}`)
    }
  } catch (error) {
    const isInterrupted = interrupt.exitStatus !== undefined && error instanceof AbortError
    if (!isInterrupted) throw error
    progress?.end()
    printError(error)
  } finally {
    progress?.end()
  }
  if (interrupt.exitStatus !== undefined) process.exitCode = interrupt.exitStatus
}
