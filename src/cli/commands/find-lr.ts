import type { Command } from 'commander'
import { type FindLrOptions, type FindLrResult, findLr } from '../../index.js'
import {
  addConfigOptions,
  type ConfigFlags,
  configFromArguments,
  parseValue,
} from '../arguments/config-arguments.js'
import { addExamples } from '../help.js'
import { setOffline, withDownloads } from '../output/download-progress.js'
import { print } from '../output/streams.js'
import { outputWidth, wrapLines } from '../output/terminal.js'

interface Flags extends ConfigFlags {
  startLr?: string
  endLr?: string
  steps?: string
  out?: string
  offline?: true
  json?: true
}

/** Adds `residual find-lr`. */
export function addFindLr(program: Command): void {
  const command = program
    .command('find-lr')
    .description('find a learning rate: increase it until the loss diverges (Smith 2015)')
    .argument('[data]', 'image folder or named data set')
    .argument('[overrides...]', 'override any setting: optimizer.type=adamw batchSize=64')
  addConfigOptions(command, ['recipe', 'model', 'batchSize', 'imageSize', 'seed', 'device'])
  command
    .option('--start-lr <lr>', 'lowest learning rate (default: 1e-7)')
    .option('--end-lr <lr>', 'highest learning rate (default: 10)')
    .option('--steps <count>', 'number of steps (default: 100)')
    .option('--out <folder>', 'write the curve as lr-finder.svg, .json and .csv')
    .option('--offline', 'do not download data sets or pretrained weights')
    .option('--json', 'print the curve and the suggestion as JSON')
    .action(run)
  addExamples(
    command,
    ['find-lr ./photos', 'suggest a learning rate'],
    ['find-lr ./photos --model resnet18 --out plots', 'use ResNet-18 and plot the curve'],
  )
}

async function run(data: string | undefined, overrides: string[], flags: Flags): Promise<void> {
  const words = data === undefined ? overrides : [data, ...overrides]
  const { startLr, endLr, steps, out, offline, json, ...training } = flags
  if (offline) setOffline()
  const range = Object.entries({ startLr, endLr, steps }).map(([key, text]) => [
    key,
    text === undefined ? undefined : parseValue(text),
  ])
  // The core validates the options.
  const options: FindLrOptions = { ...Object.fromEntries(range), out }
  await withDownloads(json ?? false, async (downloads) => {
    const config = configFromArguments(words, training, 'find-lr')
    const result = await findLr(config, { ...options, ...downloads })
    await print(
      json ? JSON.stringify(result) : wrapLines(formatResult(result), outputWidth(process.stdout)),
    )
  })
}

function formatResult({
  points,
  suggestion,
  reason,
  suggestions,
  diverged,
  files,
}: FindLrResult): string {
  const last = points.at(-1)?.lr.toPrecision(2)
  const end = diverged ? `the loss diverged at learning rate ${last}` : `last learning rate ${last}`
  const rows = suggestions.map(
    ({ name, lr, reason }) => `${name.padEnd(12)} ${formatLr(lr)}  ${reason}`,
  )
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
