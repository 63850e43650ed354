import type { Command } from 'commander'
import { type BenchConfig, bench, type Rates } from '../../index.js'
import {
  applySetting,
  type Draft,
  isSetting,
  readValue,
  set,
} from '../arguments/config-arguments.js'
import { examples } from '../help.js'
import { count, many } from '../output/format.js'
import { print } from '../output/streams.js'
import { roomIn, wrap } from '../output/terminal.js'
import { table } from '../output/text-table.js'

interface Flags {
  rounds?: string
  seconds?: string
  json?: true
}

/** `residual bench` */
export function addBench(program: Command): void {
  const verb = program
    .command('bench')
    .description('measure training steps and predictions a second on this machine')
    .argument('[network]', 'resnet18, resnet20, ...; by default resnet20')
    .argument('[settings...]', 'imageSize=32 batchSize=128 precision=bf16 threads=1')
    .option('--rounds <count>', 'how often each is measured; by default 5')
    .option('--seconds <seconds>', 'of each round; by default 1')
    .option('--json', 'print every round, as JSON')
    .action(async (word: string | undefined, words: string[], flags: Flags) => {
      const draft: Draft = {}
      const named = word !== undefined && !isSetting(word)
      if (named) set(draft, 'model.arch', word)
      for (const setting of named || word === undefined ? words : [word, ...words]) {
        applySetting(draft, setting)
      }
      if (flags.rounds !== undefined) set(draft, 'rounds', readValue(flags.rounds))
      if (flags.seconds !== undefined) set(draft, 'seconds', readValue(flags.seconds))
      // What the user typed; the core checks it.
      const result = await bench(draft as BenchConfig)
      if (flags.json) return await print(JSON.stringify(result))
      const { train, predict, arch, batchSize, imageSize, channels } = result
      const row = (name: string, rates: Rates) => [
        name,
        ...[rates.median, rates.lowest, rates.highest].map(count),
        String(rates.rounds.length),
      ]
      const rows = [row('training', train), row('prediction', predict)]
      const heading = ['images a second', 'median', 'lowest', 'highest', 'rounds']
      const what =
        `${arch}, batches of ${batchSize} x ${channels} x ${imageSize} x ${imageSize}, ` +
        `${result.precision} on ${result.device}, ${many(result.threads, 'thread')}`
      const room = roomIn(process.stdout)
      const rates = table(heading, rows, { worth: [9, 8, 7, 6, 5], room })
      await print(`${wrap(what, room)}\n\n${rates}`)
    })
  examples(
    verb,
    ['bench', "ResNet-20 on small images, the paper's"],
    ['bench resnet18 imageSize=224 batchSize=32', 'photographs'],
    ['bench resnet18 precision=bf16 threads=1', 'another precision, one thread'],
  )
}
