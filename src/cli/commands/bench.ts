import type { Command } from 'commander'
import { type BenchConfig, bench, type Throughput } from '../../index.js'
import {
  applyFlags,
  applyOverride,
  type ConfigFlags,
  type Draft,
  isOverride,
  parseValue,
  setKey,
} from '../arguments/config-arguments.js'
import { addExamples } from '../help.js'
import { formatCount, pluralize } from '../output/format.js'
import { print } from '../output/streams.js'
import { outputWidth, wrap } from '../output/terminal.js'
import { formatTable } from '../output/text-table.js'

interface Flags extends Pick<ConfigFlags, 'batchSize' | 'imageSize' | 'device'> {
  rounds?: string
  seconds?: string
  json?: true
}

/** Adds `residual bench`. */
export function addBench(program: Command): void {
  const command = program
    .command('bench')
    .description('measure training and inference throughput on this machine')
    .argument('[network]', 'resnet18, resnet20, ... (default: resnet20)')
    .argument('[overrides...]', 'settings: imageSize=32 batchSize=128 precision=bf16 threads=1')
    .option('--batch-size <count>', 'images per batch')
    .option('--image-size <pixels>', 'height and width of the images')
    .option('--device <device>', 'cpu, cuda or auto')
    .option('--rounds <count>', 'number of measurements (default: 5)')
    .option('--seconds <seconds>', 'duration of each measurement (default: 1)')
    .option('--json', 'print all measurements as JSON')
    .action(run)
  addExamples(
    command,
    ['bench', 'ResNet-20 on 32x32 images, as in the paper'],
    ['bench resnet18 --image-size 224 --batch-size 32', 'ResNet-18 on photographs'],
    ['bench resnet18 precision=bf16 threads=1', 'set the precision and the number of threads'],
  )
}

async function run(
  networkOrOverride: string | undefined,
  otherOverrides: string[],
  flags: Flags,
): Promise<void> {
  const draft: Draft = {}
  if (networkOrOverride !== undefined) {
    if (isOverride(networkOrOverride)) applyOverride(draft, networkOrOverride)
    else setKey(draft, 'model.arch', networkOrOverride)
  }
  const { rounds, seconds, json, ...configFlags } = flags
  applyFlags(draft, configFlags, { imageSize: 'imageSize' })
  for (const override of otherOverrides) applyOverride(draft, override)
  if (rounds !== undefined) setKey(draft, 'rounds', parseValue(rounds))
  if (seconds !== undefined) setKey(draft, 'seconds', parseValue(seconds))
  // The core validates the draft.
  const result = await bench(draft as BenchConfig)
  if (json) return await print(JSON.stringify(result))
  const { train, predict, arch, batchSize, imageSize, channels } = result
  const row = (name: string, rates: Throughput) => [
    name,
    ...[rates.median, rates.min, rates.max].map(formatCount),
    String(rates.rounds.length),
  ]
  const title =
    `${arch}, batches of ${batchSize} x ${channels} x ${imageSize} x ${imageSize}, ` +
    `${result.precision} on ${result.device}, ${pluralize(result.threads, 'thread')}`
  const width = outputWidth(process.stdout)
  const rates = formatTable(
    ['images/s', 'median', 'min', 'max', 'rounds'],
    [row('training', train), row('inference', predict)],
    { priorities: [9, 8, 7, 6, 5], width },
  )
  await print(`${wrap(title, width)}\n\n${rates}`)
}
