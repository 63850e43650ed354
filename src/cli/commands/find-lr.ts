import type { Command } from 'commander'
import { type FindLrOptions, type FindLrResult, findLr } from '../../index.js'
import { configure, readValue, type Flags as TrainFlags } from '../arguments/config-arguments.js'
import { examples } from '../help.js'
import { stayOffline } from '../output/download-progress.js'
import { print } from '../output/streams.js'
import { downloading } from './data.js'

interface Flags extends TrainFlags {
  from?: string
  to?: string
  steps?: string
  out?: string
  offline?: true
  json?: true
}

/** `residual find-lr` */
export function addFindLr(program: Command): void {
  const verb = program
    .command('find-lr')
    .description('try rising learning rates and suggest one (the range test of Smith 2015)')
    .argument('[data]', 'a folder, or the name of a data set')
    .argument('[settings...]', 'any configuration key: optimizer.type=adamw batchSize=64')
    .option('--config <file>', 'a configuration in YAML or JSON, a config.json of an earlier run')
    .option('--recipe <name>', 'a published way to train (see `residual recipes`), or a file')
    .option('--model <name>', 'the network: resnet18, resnet20, ...')
    .option('--from <rate>', 'the lowest rate; by default 1e-7')
    .option('--to <rate>', 'the highest; by default 10')
    .option('--steps <count>', 'updates from the one to the other; by default 100')
    .option('--out <folder>', 'leave the curve there, as lr-finder.svg, .json and .csv')
    .option('--offline', 'fetch nothing, neither a data set nor weights to begin from')
    .option('--json', 'print the curve and what it suggests, as JSON')
    .action(async (data: string | undefined, settings: string[], flags: Flags) => {
      const words = data === undefined ? settings : [data, ...settings]
      const { from, to, steps, out, offline, json, ...training } = flags
      if (offline) stayOffline()
      const range = Object.entries({ from, to, steps }).map(([key, text]) => [
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

function inWords({ points, suggestion, reason, others, diverged, files }: FindLrResult): string {
  const last = points.at(-1)?.lr.toPrecision(2)
  const ended = `${diverged ? 'the loss burst' : 'ended'} at a rate of ${last}`
  const rows = others.map(({ name, lr, reason }) => `${name.padEnd(12)} ${rate(lr)}  ${reason}`)
  return [
    ...rows,
    `${points.length} updates, ${ended}`,
    suggestion === null ? reason : `try optimizer.lr=${rate(suggestion)}`,
    ...(files === null ? [] : [files.svg]),
  ].join('\n')
}

/** Two significant places. */
function rate(lr: number): string {
  return String(Number(lr.toPrecision(2)))
}
