import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { type InspectConfig, type Inspection, inspect, type LoadConfig } from '../../index.js'
import { applyOverride, type Draft, setKey } from '../arguments/config-arguments.js'
import { addExamples } from '../help.js'
import { styled } from '../output/colors.js'
import {
  formatBytes,
  formatCount,
  formatLoss,
  formatPercent,
  formatScaled,
  pluralize,
} from '../output/format.js'
import { print } from '../output/streams.js'
import { outputWidth, sanitize, truncate, wrap } from '../output/terminal.js'
import { formatTable } from '../output/text-table.js'

const { stdout } = process

/** Width of the bar of a full share, in columns. */
const MAX_BAR_WIDTH = 16
/** Maximum number of classes that are listed by name. */
const MAX_CLASSES = 8
const MAX_CLASS_WIDTH = 24
const BYTES_PER_FLOAT = 4
/** Width of the names of the rows. */
const NAME_WIDTH = 12

interface Flags {
  table?: true
  tree?: true
  json?: true
}

/** Adds `residual inspect`. */
export function addInspect(program: Command): void {
  const command = program
    .command('inspect')
    .description('show the layers, parameters and cost of a network, or describe a checkpoint')
    .argument('<network>', 'resnet18, resnet20, ..., or a run folder, checkpoint or .pth file')
    .argument('[overrides...]', 'settings: imageSize=32 channels=1 classes=10 model.shortcut=B')
    .option('--table', 'list every layer in the order of the forward pass')
    .option('--tree', "print the nested modules, as PyTorch's print(net)")
    .option('--json', 'print JSON')
    .action(run)
  addExamples(
    command,
    ['inspect resnet50', 'output shape, parameters and multiply-adds by stage'],
    ['inspect resnet18 model.stem=cifar imageSize=32 classes=10', 'ResNet-18 for CIFAR-10'],
    ['inspect resnet20 --tree', "nested modules, as PyTorch's print(net)"],
    ['inspect runs/latest', 'describe the checkpoint of a run'],
  )
}

async function run(network: string, overrides: string[], flags: Flags): Promise<void> {
  const draft: Draft = {}
  const isPath = /[/\\.]/.test(network) || existsSync(network)
  if (!isPath) setKey(draft, 'model.arch', network)
  for (const override of overrides) applyOverride(draft, override)
  // The core validates the draft.
  const inspection = isPath
    ? await inspect(/[/\\.]/.test(network) ? network : `./${network}`, draft as LoadConfig)
    : await inspect(draft as InspectConfig)
  if (flags.json) return await print(JSON.stringify(inspection))
  if (flags.table) return await print(inspection.table.trimEnd())
  if (flags.tree) return await print(inspection.text.trimEnd())
  await print(formatInspection(inspection))
}

function formatInspection(inspection: Inspection): string {
  const width = outputWidth(stdout)
  const { name, input, classes, parameters, macs, checkpoint } = inspection
  const summary = [
    `${styled(stdout, 'bold', name)}, input ${input.join(' x ')}, ${formatCount(classes)} classes`,
    `${formatCount(parameters)} parameters (${formatBytes(BYTES_PER_FLOAT * parameters)} in float32), ` +
      `${formatScaled(macs)} multiply-adds per image`,
  ]
  return [
    ...summary.map((line) => wrap(line, width, '  ')),
    ...(checkpoint === undefined ? [] : ['', ...formatCheckpoint(checkpoint, width)]),
    '',
    formatStages(inspection, width),
    '',
    wrap('--table lists every layer, --tree prints nested modules.', width),
  ].join('\n')
}

function formatCheckpoint(
  checkpoint: NonNullable<Inspection['checkpoint']>,
  width: number,
): string[] {
  const { file, bytes, source, epoch, step, best, classes, mean, std } = checkpoint
  const labels = classes
    .slice(0, MAX_CLASSES)
    .map((label) => truncate(sanitize(label), MAX_CLASS_WIDTH))
  const ellipsis =
    classes.length > MAX_CLASSES ? `, ... (${formatCount(classes.length)} classes)` : ''
  const formatNumbers = (values: readonly number[]) =>
    values.map((value) => value.toFixed(3)).join(', ')
  const rows: [string, string][] = [['file', `${sanitize(file)}, ${formatBytes(bytes)}`]]
  if (source !== null) rows.push(['trained on', sanitize(source)])
  if (step > 0) {
    rows.push(['trained for', `${pluralize(epoch, 'epoch')}, ${pluralize(step, 'step')}`])
  }
  if (best !== null) {
    const accuracy = formatPercent(best.accuracy)
    rows.push(['best epoch', `${best.epoch}, accuracy ${accuracy}, loss ${formatLoss(best.loss)}`])
  }
  rows.push(['classes', labels.join(', ') + ellipsis])
  rows.push(['normalize', `mean ${formatNumbers(mean)}, std ${formatNumbers(std)}`])
  for (const sentence of checkpoint.assumed) rows.push(['assumed', sentence])
  for (const sentence of checkpoint.warnings) rows.push(['warning', sentence])
  return rows.map(([name, value]) =>
    wrap(`${name.padEnd(NAME_WIDTH)} ${value}`, width, ' '.repeat(NAME_WIDTH + 1)),
  )
}

/** Groups layers by the first part of their names, with a bar for each group's multiply-adds. */
function formatStages({ layers, macs }: Inspection, width: number): string {
  const stages = new Map<string, typeof layers>()
  for (const layer of layers) {
    const stage = layer.name.split('.', 1)[0] as string
    stages.set(stage, [...(stages.get(stage) ?? []), layer])
  }
  const rows = [...stages].map(([stage, inner]) => {
    const sum = (key: 'parameters' | 'macs') =>
      inner.reduce((total, layer) => total + layer[key], 0)
    const blocks = new Set(inner.map(({ name }) => name.split('.')[1])).size
    const kind = inner.length === 1 ? (inner[0]?.kind ?? '') : pluralize(blocks, 'block')
    const bar = '█'.repeat(Math.round((MAX_BAR_WIDTH * sum('macs')) / Math.max(1, macs)))
    return [
      stage,
      kind,
      (inner.at(-1)?.output ?? []).join(' x '),
      formatCount(sum('parameters')),
      formatScaled(sum('macs')),
      bar,
    ]
  })
  return formatTable(['', '', 'output', 'parameters', 'multiply-adds', ''], rows, {
    left: [0, 1, 5],
    priorities: [9, 2, 7, 8, 5, 1],
    width,
  })
}
