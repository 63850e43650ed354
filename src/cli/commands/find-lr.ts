import type { Command } from 'commander'
import { type FindLrOptions, type FindLrResult, findLr } from '../../index.js'
import { type ConfigFlags, configFromArguments, parseValue } from '../arguments/config-arguments.js'
import { addExamples } from '../help.js'
import { setOffline, withDownloads } from '../output/download-progress.js'
import { print } from '../output/streams.js'

<<<<<<< HEAD
interface Flags extends ConfigFlags {
  from?: string
  to?: string
=======
interface Flags extends TrainFlags {
  startLr?: string
  endLr?: string
>>>>>>> 992132c (spec: use the field's names for configuration, events and results)
  steps?: string
  out?: string
  offline?: true
  json?: true
}

/** Adds `residual find-lr`. */
export function addFindLr(program: Command): void {
  const command = program
    .command('find-lr')
<<<<<<< HEAD
    .description('find a learning rate: increase it until the loss diverges (Smith 2015)')
    .argument('[data]', 'image folder or named data set')
    .argument('[overrides...]', 'override any setting: optimizer.type=adamw batchSize=64')
    .option('--config <file>', 'configuration file, YAML or JSON (a config.json of a run, too)')
    .option('--recipe <name>', 'training recipe (see `residual recipes`), or a file')
    .option('--model <name>', 'network: resnet18, resnet20, ...')
    .option('--from <lr>', 'lowest learning rate (default: 1e-7)')
    .option('--to <lr>', 'highest learning rate (default: 10)')
    .option('--steps <count>', 'number of steps (default: 100)')
    .option('--out <folder>', 'write the curve as lr-finder.svg, .json and .csv')
    .option('--offline', 'do not download data sets or pretrained weights')
    .option('--json', 'print the curve and the suggestion as JSON')
    .action(run)
  addExamples(
    command,
    ['find-lr ./photos', 'suggest a learning rate'],
    ['find-lr ./photos --model resnet18 --out plots', 'for ResNet-18; also plot the curve'],
  )
}

async function run(data: string | undefined, overrides: string[], flags: Flags): Promise<void> {
  const words = data === undefined ? overrides : [data, ...overrides]
  const { from, to, steps, out, offline, json, ...training } = flags
  if (offline) setOffline()
  const range = Object.entries({ from, to, steps }).map(([key, text]) => [
    key,
    text === undefined ? undefined : parseValue(text),
  ])
  // The core validates the options.
  const options: FindLrOptions = { ...Object.fromEntries(range), out }
  await withDownloads(json ?? false, async (downloads) => {
    const config = configFromArguments(words, training)
    const result = await findLr(config, { ...options, ...downloads })
    await print(json ? JSON.stringify(result) : formatResult(result))
  })
}

function formatResult({
  points,
  suggestion,
  reason,
  others,
=======
    .description('try rising learning rates and suggest one (the range test of Smith 2015)')
    .argument('[data]', 'a folder, or the name of a data set')
    .argument('[settings...]', 'any configuration key: optimizer.type=adamw batchSize=64')
    .option('--config <file>', 'a configuration in YAML or JSON, a config.json of an earlier run')
    .option('--recipe <name>', 'a published way to train (see `residual recipes`), or a file')
    .option('--model <name>', 'the network: resnet18, resnet20, ...')
    .option('--start-lr <rate>', 'learning rate of the first update; by default 1e-7')
    .option('--end-lr <rate>', 'learning rate of the last update; by default 10')
    .option('--steps <count>', 'number of updates; by default 100')
    .option('--out <folder>', 'leave the curve there, as lr-finder.svg, .json and .csv')
    .option('--offline', 'fetch nothing, neither a data set nor weights to begin from')
    .option('--json', 'print the curve and what it suggests, as JSON')
    .action(async (data: string | undefined, settings: string[], flags: Flags) => {
      const words = data === undefined ? settings : [data, ...settings]
      const { startLr, endLr, steps, out, offline, json, ...training } = flags
      if (offline) stayOffline()
      const range = Object.entries({ startLr, endLr, steps }).map(([key, text]) => [
        key,
        text === undefined ? undefined : readValue(text),
      ])
      // What the user typed; the core checks it.
      const options: FindLrOptions = { ...Object.fromEntries(range), out }
      await downloading(json ?? false, async (downloads) => {
        const result = await findLr(configure(words, training), { ...options, ...downloads })
        await print(json ? JSON.stringify(result) : inWords(result))
      })
    })
  examples(
    verb,
    ['find-lr ./photos', 'try rising rates on a fresh network, and suggest one'],
    ['find-lr ./photos --model resnet18 --out plots', 'and leave the curve as a figure'],
  )
}

function inWords({
  points,
  suggestion,
  reason,
  suggestions,
>>>>>>> 992132c (spec: use the field's names for configuration, events and results)
  diverged,
  files,
}: FindLrResult): string {
  const last = points.at(-1)?.lr.toPrecision(2)
<<<<<<< HEAD
  const end = diverged ? `the loss diverged at learning rate ${last}` : `last learning rate ${last}`
  const rows = others.map(({ name, lr, reason }) => `${name.padEnd(12)} ${formatLr(lr)}  ${reason}`)
=======
  const ended = `${diverged ? 'the loss burst' : 'ended'} at a rate of ${last}`
  const rows = suggestions.map(
    ({ name, lr, reason }) => `${name.padEnd(12)} ${rate(lr)}  ${reason}`,
  )
>>>>>>> 992132c (spec: use the field's names for configuration, events and results)
  return [
    ...rows,
    `${points.length} steps, ${end}`,
    suggestion === null ? reason : `suggestion: optimizer.lr=${formatLr(suggestion)}`,
    ...(files === null ? [] : [files.svg]),
  ].join('\n')
}

/** Formats a learning rate with two significant digits. */
function formatLr(lr: number): string {
  return String(Number(lr.toPrecision(2)))
}
