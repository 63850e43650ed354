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
  type Flags as ConfigurationFlags,
  configure,
  readValue,
  set,
} from '../arguments/config-arguments.js'
import { distinct } from '../arguments/unique-paths.js'
import { examples } from '../help.js'
import { Interrupt } from '../interrupt.js'
import { remark } from '../messages.js'
import { DownloadLine } from '../output/download-progress.js'
import { count, loss, percent } from '../output/format.js'
import { report } from '../output/print-error.js'
import { Progress } from '../output/progress.js'
import { print, tell } from '../output/streams.js'
import { harmless, roomIn } from '../output/terminal.js'
import { table } from '../output/text-table.js'
import { warning } from '../output/warning.js'
import { downloading } from './data.js'

interface Flags extends ConfigurationFlags {
  depths?: string
  budget?: string
  json?: true
  quiet?: true
}

/** What the experiments that train leave behind. */
interface Outcome {
  table: { markdown: string }
  figure: { png: string }
}

/** `residual experiment` */
export function addExperiment(program: Command): void {
  const verb = program
    .command('experiment')
    .description('train several networks and compare them; a run that is there is not done again')
  examples(
    verb,
    ['experiment degradation cifar10 --depths 20,56', "the paper's plain and residual networks"],
    ['experiment repeat ./photos --seeds 5', 'mean and deviation over seeds'],
    ['experiment ensemble runs/a runs/b', 'the average of trained networks'],
  )

  trains(verb.command('degradation'))
    .description("the paper's comparison of plain and residual networks (figures 1, 4, 6, 7)")
    .option('--data <data>', 'the same as the argument')
    .option('--depths <list>', '20,56: CIFAR depths 6n+2, or 18,34 for photographs')
    .option('--budget <updates>', "updates of each network's weights; the paper: 64000")
    .action(async (data: string | undefined, settings: string[], flags: Flags) => {
      const draft = configure(words(data, settings), flags)
      if (flags.depths !== undefined) draft.depths = flags.depths.split(',').map(readValue)
      if (flags.budget !== undefined) set(draft, 'budget.steps', readValue(flags.budget))
      // What the user typed; the API and the core check it.
      await follow(flags, (options) => experiment.degradation(draft as DegradationConfig, options))
    })

  trains(verb.command('repeat'))
    .description('train one configuration with several seeds: mean, deviation, best')
    .option('--model <name>', 'the network: resnet18, resnet20, ...')
    .action(async (data: string | undefined, settings: string[], flags: Flags) => {
      const draft = configure(words(data, settings), flags)
      await follow(flags, (options) => experiment.repeat(draft as RepeatConfig, options))
    })

  addEnsemble(verb.command('ensemble'))
}

interface EnsembleFlags {
  data?: string
  part?: string
  batchSize?: string
  crops?: string
  json?: true
}

function addEnsemble(command: Command): void {
  command
    .description("average several networks' probabilities (the paper's table 5)")
    .argument('<models...>', 'run folders or checkpoints')
    .option('--data <data>', 'a folder or a named data set; by default that of the first model')
    .option('--part <part>', 'train, val or test; by default test, where there is one')
    .option('--batch-size <count>', 'images at a time')
    .option('--crops <crops>', 'what of an image is seen: center, flip, ten or multi-scale')
    .option('--json', 'print everything measured, as JSON')
    .action(async (named: string[], flags: EnsembleFlags) => {
      const models = distinct(named)
      const { data, part, crops, json } = flags
      const batchSize = flags.batchSize && readValue(flags.batchSize)
      const config = { data, part, crops, batchSize }
      await downloading(json ?? false, async (options) => {
        const result = await experiment.ensemble(models, config as EnsembleConfig, options)
        await print(json ? JSON.stringify(result) : inWords(result, models))
      })
    })
}

function inWords({ ensemble, members }: EnsembleResult, models: readonly string[]): string {
  const row = (name: string, { accuracy, top5, loss: mean }: Evaluation) => [
    harmless(name),
    percent(1 - accuracy),
    percent(1 - top5),
    loss(mean),
  ]
  const rows = members.map(({ evaluation }, index) => row(models[index] ?? '', evaluation))
  const heading = ['model', 'top-1 error', 'top-5 error', 'loss']
  const whole = row(`ensemble of ${members.length}`, ensemble)
  const layout = { worth: [9, 8, 6, 7], room: roomIn(process.stdout) }
  return `${table(heading, [...rows, whole], layout)}\n\n${count(ensemble.count)} images`
}

/** The words of the command line: the data set, where there is one, and settings. */
function words(data: string | undefined, settings: string[]): string[] {
  return data === undefined ? settings : [data, ...settings]
}

/** What all experiments that train take. */
function trains(command: Command): Command {
  return command
    .argument('[data]', 'a folder, or the name of a data set')
    .argument('[settings...]', 'any configuration key: optimizer.lr=0.05 batchSize=64')
    .option('--config <file>', 'a configuration in YAML or JSON')
    .option('--recipe <name>', 'a published way to train (see `residual recipes`), or a file')
    .option('--seeds <count>', 'runs of each network')
    .option('--epochs <count>', 'passes over the training images')
    .option('--out <folder>', 'the folder of the experiment')
    .option('--overwrite', 'train everything anew')
    .option('--json', 'print one event a line, as JSON, and the result last')
    .option('--quiet', 'show no progress, warnings alone')
}

async function follow(
  { json, quiet }: Flags,
  start: (options: ExperimentOptions) => Promise<Outcome>,
): Promise<void> {
  const progress = json || quiet ? undefined : new Progress()
  const line = json || quiet ? undefined : new DownloadLine()
  const stopping = new AbortController()
  using interrupt = new Interrupt((signal) => {
    progress?.note(remark.stopping(signal))
    stopping.abort()
  })
  let printed = Promise.resolve()
  const onEvent = (event: ExperimentEvent) => {
    if (event.type === 'start') line?.end()
    if (json) printed = printed.then(() => print(JSON.stringify(event)))
    else if (quiet && event.type === 'warning') tell(warning(event))
    if (event.type === 'member') {
      const { index, count, member, state } = event
      progress?.note(`${index}/${count} ${member}${state === 'new' ? '' : ` (${state})`}`)
    } else {
      progress?.show(event)
    }
  }
  try {
    const result = await start({
      signal: stopping.signal,
      onEvent,
      onDownload: line?.show,
    })
    await printed
    if (json) await print(JSON.stringify({ type: 'result', ...result }))
    else {
      const markdown = readFileSync(result.table.markdown, 'utf8')
      await print(`${markdown}\nfigure  ${result.figure.png}\ntable   ${result.table.markdown}`)
    }
  } catch (error) {
    const interrupted = interrupt.exitStatus !== undefined && error instanceof AbortError
    if (!interrupted) throw error
    progress?.end()
    report(error)
  } finally {
    progress?.end()
  }
  if (interrupt.exitStatus !== undefined) process.exitCode = interrupt.exitStatus
}
