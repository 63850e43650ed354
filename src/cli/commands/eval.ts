import type { Command } from 'commander'
import { withCommandName } from '../../errors/command-name.js'
import { shellQuote } from '../../errors/shell-quote.js'
import { type EvaluateConfig, type Evaluation, loadModel, renderPredictions } from '../../index.js'
import { SPLIT_NAMES } from '../../native/split-names.js'
import { adviseOnPoorAccuracy } from '../../statistics/advice.js'
import { compareWithGuessing, describeGuessing, isNearGuessing } from '../../statistics/guessing.js'
import { wilsonInterval } from '../../statistics/proportion.js'
import {
  applyFlags,
  applyOverride,
  type ConfigFlags,
  type Draft,
  isOverride,
  parseValue,
} from '../arguments/config-arguments.js'
import { addExamples } from '../help.js'
import { cliError, notice } from '../messages.js'
import { styled } from '../output/colors.js'
import { withDownloads } from '../output/download-progress.js'
import { formatCount, formatLoss, formatPercent, pluralize } from '../output/format.js'
import { checkImagePath, writeImageFile } from '../output/image-file.js'
import { log, print } from '../output/streams.js'
import { outputWidth, sanitize, wrapLines } from '../output/terminal.js'
import { formatTable } from '../output/text-table.js'

/** Default number of images in a grid. */
const GRID_SIZE = 24
/** Longer side of the images in a grid, in pixels. */
const THUMBNAIL_SIZE = 96

interface Flags extends Pick<ConfigFlags, 'imageSize' | 'device'> {
  split?: string
  batchSize?: string
  crops?: string
  scales?: string
  samples?: string
  topLosses?: string
  gridSize?: string
  json?: true
}

/** Adds `residual eval`. */
export function addEval(program: Command): void {
  const command = program
    .command('eval')
    .description('evaluate a trained network: accuracy, loss, per-class metrics')
    .argument('<model>', 'run folder, checkpoint or weights (.pth, .safetensors)')
    .argument('[data]', 'image folder or named data set (default: the data set of the run)')
    .argument(
      '[overrides...]',
      'settings that a weights file lacks: imageSize=32 model.arch=resnet20',
    )
    .option('--split <split>', 'train, val or test (default: test, otherwise val, otherwise train)')
    .option('--batch-size <count>', 'images per batch')
    .option('--image-size <pixels>', 'height and width of the input of a weights file')
    .option('--device <device>', 'cpu or cuda')
    .option('--crops <crops>', 'test-time augmentation: center (default), flip, ten or multi-scale')
    .option('--scales <pixels>', 'short sides for multi-scale (default: 224,256,384,480,640)')
    .option('--samples <file>', 'write a grid of sample predictions (.png or .svg)')
    .option('--top-losses <file>', 'write a grid of the images with the highest losses')
    .option('--grid-size <count>', 'images per grid (default: 24)')
    .option('--json', 'print all metrics as JSON')
    .action(evaluate)
  addExamples(
    command,
    ['eval runs/latest', 'evaluate on the test split, if there is one'],
    ['eval runs/latest ./more-photos', 'evaluate on other images of the same classes'],
    ['eval runs/latest --top-losses worst.png', 'write the images with the highest losses'],
    ['eval runs/latest --crops ten', 'average over ten crops per image'],
  )
}

async function evaluate(
  path: string,
  dataOrOverride: string | undefined,
  otherOverrides: string[],
  flags: Flags,
): Promise<void> {
  const loadConfig: Draft = {}
  const { imageSize, device } = flags
  applyFlags(loadConfig, { imageSize, device }, { imageSize: 'imageSize' })
  let data = dataOrOverride
  if (dataOrOverride !== undefined && isOverride(dataOrOverride)) {
    applyOverride(loadConfig, dataOrOverride)
    data = undefined
  }
  for (const override of otherOverrides) applyOverride(loadConfig, override)
  const config = evaluateConfig(data, flags)
  await withDownloads(flags.json ?? false, async (options) => {
    await using model = await loadModel(path, loadConfig)
    for (const sentence of model.info.assumed) log(notice.assumed(sentence))
    for (const sentence of model.info.warnings) log(notice.weightsWarning(sentence))
    const evaluation = await model.evaluate(config, options)
    warnOfSkippedImages(evaluation)
    await drawGrids(evaluation, flags)
    await print(
      flags.json
        ? JSON.stringify(withoutThumbnails(evaluation))
        : formatEvaluation(evaluation, data),
    )
  })
}

function evaluateConfig(data: string | undefined, flags: Flags): EvaluateConfig {
  const { samples, topLosses } = flags
  if (samples !== undefined) checkImagePath(samples, 'samples')
  if (topLosses !== undefined) checkImagePath(topLosses, 'top-losses')
  const gridSize = flags.gridSize === undefined ? GRID_SIZE : parseValue(flags.gridSize)
  if (!Number.isInteger(gridSize) || (gridSize as number) < 1) {
    throw cliError.invalidCount('grid-size', String(flags.gridSize))
  }
  // The core validates the values.
  return {
    data,
    split: flags.split,
    batchSize: flags.batchSize && parseValue(flags.batchSize),
    crops: flags.crops,
    scales: flags.scales?.split(',').map((scale) => parseValue(scale.trim())),
    samples: samples && gridSize,
    topLosses: topLosses && gridSize,
    thumbnails: samples === undefined && topLosses === undefined ? undefined : THUMBNAIL_SIZE,
  } as EvaluateConfig
}

async function drawGrids(evaluation: Evaluation, flags: Flags): Promise<void> {
  const { samples, topLosses } = flags
  const [accuracy, total] = [formatPercent(evaluation.accuracy), formatCount(evaluation.count)]
  if (samples !== undefined) {
    const title = `Sample predictions, accuracy ${accuracy} (${total} images)`
    await writeImageFile(samples, renderPredictions(evaluation.samples, { title }))
    log(notice.fileWritten(samples))
  }
  if (topLosses !== undefined) {
    const title = `Highest losses (${total} images)`
    await writeImageFile(topLosses, renderPredictions(evaluation.topLosses, { title }))
    log(notice.fileWritten(topLosses))
  }
}

/** Removes the thumbnails, which were requested for the grids. */
function withoutThumbnails(evaluation: Evaluation): Evaluation {
  const strip = <T extends { thumbnail?: unknown }>({ thumbnail: _, ...rest }: T) => rest
  return {
    ...evaluation,
    samples: evaluation.samples.map(strip),
    topLosses: evaluation.topLosses.map(strip),
  }
}

function warnOfSkippedImages({ broken, warnings }: Evaluation): void {
  const label = styled(process.stderr, 'yellow', 'warning')
  for (const { message, file } of warnings) {
    const location = file === undefined || message.includes(file) ? '' : ` (${file})`
    log(`${label}: ${sanitize(`${message}${location}`)}; skipped`)
  }
  if (broken > warnings.length) {
    log(`${label}: ${formatCount(broken - warnings.length)} more images skipped`)
  }
}

/** Formats the metrics, most important first. */
function formatEvaluation(evaluation: Evaluation, data: string | undefined): string {
  const classes = formatTable(
    ['class', 'accuracy', 'precision', 'F1', 'images'],
    evaluation.classes.map((row) => [
      sanitize(row.label),
      formatPercent(row.accuracy),
      formatPercent(row.precision),
      row.f1.toFixed(3),
      formatCount(row.count),
    ]),
    { priorities: [9, 8, 5, 4, 7], width: outputWidth(process.stdout) },
  )
  const confused = evaluation.mostConfused.map(
    (pair) =>
      `  ${sanitize(`${pair.label} predicted as ${pair.predicted}`)}: ${formatCount(pair.count)} (${formatPercent(pair.share)})`,
  )
  const summary = [
    `accuracy ${formatPercent(evaluation.accuracy)}`,
    `loss ${formatLoss(evaluation.loss)}`,
    // With five classes or fewer, top-5 accuracy is always 100 %.
    ...(evaluation.classes.length > 5 ? [`top-5 accuracy ${formatPercent(evaluation.top5)}`] : []),
    `expected calibration error ${formatPercent(evaluation.calibration.error)}`,
  ]
  const text = [
    describeImages(evaluation),
    summary.join(', '),
    ...describeAccuracy(evaluation, data),
    '',
    classes,
    ...(confused.length > 0 ? ['', 'most confused classes', ...confused] : []),
  ].join('\n')
  return wrapLines(text, outputWidth(process.stdout))
}

/** Describes which images were evaluated: `test split of ./photos: 120 images`. */
function describeImages({ data, count, broken }: Evaluation): string {
  const images = pluralize(count, 'image')
  const skipped = broken > 0 ? ` (${formatCount(broken)} could not be decoded)` : ''
  const name = data && `${SPLIT_NAMES[data.split]} split of ${sanitize(data.source)}`
  return `${name ?? 'evaluated'}: ${images}${skipped}`
}

/** Describes the precision of the accuracy and, if it is close to guessing, the next steps. */
function describeAccuracy(
  { accuracy, count, classes }: Evaluation,
  data: string | undefined,
): string[] {
  if (count === 0) return []
  const [low, high] = wilsonInterval(accuracy, count)
  const interval = `95 % confidence interval ${(100 * low).toFixed(1)} to ${formatPercent(high)}`
  const counts = classes.map((row) => row.count)
  const guessing = compareWithGuessing(accuracy, count, counts)
  if (guessing === undefined) return [interval]
  const sentence = describeGuessing(guessing, formatPercent)
  const lines = [interval, sentence]
  if (!isNearGuessing(guessing)) return lines
  const advice = adviseOnPoorAccuracy({
    accuracy,
    numClasses: classes.length,
    numPredicted: classes.filter(({ predicted }) => predicted > 0).length,
    source: data === undefined ? undefined : shellQuote(sanitize(data)),
  })
  const steps = advice.map((line) => `  ${withCommandName(line).replaceAll('`', '')}`)
  return [...lines, '', 'suggested next steps', ...steps]
}
