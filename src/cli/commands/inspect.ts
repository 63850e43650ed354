import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { type InspectConfig, type Inspection, inspect, type LoadConfig } from '../../index.js'
import { applySetting, type Draft, set } from '../arguments/config-arguments.js'
import { examples } from '../help.js'
import { paint } from '../output/colors.js'
import { bytes, count, loss, many, percent, scaled } from '../output/format.js'
import { print } from '../output/streams.js'
import { harmless, roomIn, shorten, wrap } from '../output/terminal.js'
import { table } from '../output/text-table.js'

const { stdout } = process

const BAR = 16
/** Classes that are named before they are only counted. */
const NAMED = 8
/** A weight in float32. */
const FLOAT = 4
/** Places that the name of a fact takes. */
const NAMES = 12

interface Flags {
  table?: true
  tree?: true
  json?: true
}

/** `residual inspect` */
export function addInspect(program: Command): void {
  const verb = program
    .command('inspect')
    .description("show a network's layers and cost, or what is in a run or a file of weights")
    .argument('<network>', 'resnet18, resnet20, ...; or a run folder, a checkpoint, a .pth file')
    .argument('[settings...]', 'imageSize=32 channels=1 classes=10 model.shortcut=B')
    .option('--table', 'one line a layer, in the order in which an image passes them')
    .option('--tree', "the layers within one another, as PyTorch's print(net)")
    .option('--json', 'print JSON')
    .action(async (network: string, settings: string[], flags: Flags) => {
      const draft: Draft = {}
      const isPath = /[/\\.]/.test(network) || existsSync(network)
      if (!isPath) set(draft, 'model.arch', network)
      for (const setting of settings) applySetting(draft, setting)
      // What the user typed; the core checks it.
      const inspection = isPath
        ? await inspect(/[/\\.]/.test(network) ? network : `./${network}`, draft as LoadConfig)
        : await inspect(draft as InspectConfig)
      if (flags.json) return await print(JSON.stringify(inspection))
      if (flags.table) return await print(inspection.table.trimEnd())
      if (flags.tree) return await print(inspection.text.trimEnd())
      await print(inWords(inspection))
    })
  examples(
    verb,
    ['inspect resnet50', 'stage by stage: output, parameters, multiply-adds'],
    ['inspect resnet18 model.stem=cifar imageSize=32 classes=10', 'a variant'],
    ['inspect resnet20 --tree', "layer by layer, as PyTorch's print(net)"],
    ['inspect runs/latest', 'what was trained, on what, and how far it came'],
  )
}

function inWords(inspection: Inspection): string {
  const room = roomIn(stdout)
  const { name, input, classes, parameters, macs, checkpoint } = inspection
  const head = [
    `${paint(stdout, 'bold', name)}, ${input.join(' x ')} in, ${count(classes)} classes out`,
    `${count(parameters)} parameters (${bytes(FLOAT * parameters)} in float32), ` +
      `${scaled(macs)} multiply-adds an image`,
  ]
  return [
    ...head.map((line) => wrap(line, room, '  ')),
    ...(checkpoint === undefined ? [] : ['', ...fileInWords(checkpoint, room)]),
    '',
    stages(inspection, room),
    '',
    wrap('--table lists every layer, --tree nests them.', room),
  ].join('\n')
}

function fileInWords(facts: NonNullable<Inspection['checkpoint']>, room: number): string[] {
  const { file, source, epoch, step, best, assumed } = facts
  const names = facts.classes.slice(0, NAMED).map((label) => shorten(harmless(label), 24))
  const more = facts.classes.length > NAMED ? `, ... ${count(facts.classes.length)} in all` : ''
  const numbers = (values: readonly number[]) => values.map((value) => value.toFixed(3)).join(', ')
  const rows: [string, string][] = [
    ['file', `${harmless(file)}, ${bytes(facts.bytes)}`],
    ...(source === null ? [] : [['trained on', harmless(source)] as [string, string]]),
    ...(step > 0
      ? [['trained for', `${many(epoch, 'epoch')}, ${many(step, 'step')}`] as const]
      : []),
    ...(best === null
      ? []
      : [
          [
            'best epoch',
            `${best.epoch}, accuracy ${percent(best.accuracy)}, loss ${loss(best.loss)}`,
          ] as const,
        ]),
    ['classes', names.join(', ') + more],
    ['pixels', `less ${numbers(facts.mean)}, by ${numbers(facts.std)}`],
    ...assumed.map((sentence) => ['assumed', sentence] as const),
  ].map(([name, value]) => [name as string, value as string])
  return rows.map(([name, value]) =>
    wrap(`${name.padEnd(NAMES)} ${value}`, room, ' '.repeat(NAMES + 1)),
  )
}

/** The layers by the first part of their names, with a bar for each one's multiply-adds. */
function stages({ layers, macs }: Inspection, room: number): string {
  const groups = new Map<string, typeof layers>()
  for (const layer of layers) {
    const stage = layer.name.split('.', 1)[0] as string
    groups.set(stage, [...(groups.get(stage) ?? []), layer])
  }
  const rows = [...groups].map(([stage, inside]) => {
    const sum = (key: 'parameters' | 'macs') => inside.reduce((all, layer) => all + layer[key], 0)
    const blocks = new Set(inside.map(({ name }) => name.split('.')[1])).size
    const kind = inside.length === 1 ? (inside[0]?.kind ?? '') : `${blocks} blocks`
    const bar = '█'.repeat(Math.round((BAR * sum('macs')) / Math.max(1, macs)))
    return [
      stage,
      kind,
      (inside.at(-1)?.output ?? []).join(' x '),
      count(sum('parameters')),
      scaled(sum('macs')),
      bar,
    ]
  })
  return table(['', '', 'output', 'parameters', 'multiply-adds', ''], rows, {
    left: [0, 1, 5],
    worth: [9, 2, 7, 8, 5, 1],
    room,
  })
}
