import { basename, join, resolve } from 'node:path'
import { type FigureFiles, writeFigure } from '../charts/figure-files.js'
import { lineChart } from '../charts/line-chart.js'
import { ResidualError } from '../errors/errors.js'
import type { EpochEvent, ModelConfig, TrainConfig } from '../native/generated.js'
import { replaceFile } from '../run-folder/json-files.js'
import type {
  DegradationNetwork,
  DegradationResult,
  DepthComparison,
  Family,
  TrainedNetwork,
} from './degradation-result.js'
import { degradationTable, describeComparisons } from './degradation-table.js'
import { errorCurves, errorDomain } from './error-curves.js'
import {
  type ExperimentOptions,
  type ExperimentRun,
  type PlannedRun,
  trainRuns,
} from './experiment-runs.js'
import { measureResponses, plotResponses } from './layer-responses.js'
import { type MeanStd, meanStd } from './mean-std.js'
import { IMAGENET_DEPTHS, paperError } from './paper-results.js'
import { toCsv, toMarkdown } from './result-table.js'
import { checkSeeds, dataSetName, withFixedSplit } from './seeds.js'

/** Configuration of `experiment.degradation()`: the keys of `TrainConfig` apply to all networks. */
export interface DegradationConfig extends Omit<TrainConfig, 'model' | 'resume'> {
  /**
   * Depths, each trained as a plain and as a residual network: 6n + 2 except 50 for CIFAR, or 18
   * and 34 for ImageNet. Default: [20, 56].
   */
  depths?: readonly number[] | undefined
  /** Number of runs of each network; their seeds are `seed`, `seed + 1`, ... Default: 1. */
  seeds?: number | undefined
  /** Settings of all networks; `arch` is set by `depths`. */
  model?: ModelConfig | undefined
}

const ARCH_PREFIX = { plain: 'plain', residual: 'resnet' } as const

/** See {@link Experiments.degradation}. */
export async function degradation(
  config: DegradationConfig,
  options: ExperimentOptions = {},
): Promise<DegradationResult> {
  const { depths = [20, 56], seeds = 1, out, overwrite = false, ...shared } = config
  checkDepths(depths)
  checkSeeds(seeds)
  checkModel(shared.model)
  checkBudget(shared)
  const dir = resolve(!out || out === 'auto' ? `runs/degradation-${dataSetName(shared.data)}` : out)
  const networks = depths.flatMap((depth) =>
    (['plain', 'residual'] as const).map((family) => ({ family, depth })),
  )
  const plans = Array.from({ length: seeds }, (_, index) => (shared.seed ?? 0) + index).flatMap(
    (seed) => networks.map(({ family, depth }) => planRun(shared, family, depth, seed)),
  )
  const runs = await trainRuns('degradation', dir, plans, { overwrite, ...options })
  const trained = networks.map(({ family, depth }, position) => ({
    family,
    depth,
    runs: runs.filter((_, index) => index % networks.length === position),
  }))
  return await writeResult(dir, trained)
}

/** Plans one run: the paper's recipe with the settings of the experiment. */
function planRun(
  { data, model, schedule, ...shared }: Omit<DegradationConfig, 'depths' | 'seeds'>,
  family: Family,
  depth: number,
  seed: number,
): PlannedRun {
  const arch = `${ARCH_PREFIX[family]}${depth}`
  const unit = shared.epochs === undefined && shared.budget?.epochs == null ? 'step' : 'epoch'
  const config: TrainConfig = {
    recipe: recipeFor(depth),
    ...shared,
    // The recipe's 5,000 validation images are a tenth of CIFAR-10's 50,000 training images; `auto`
    // holds out a tenth of any data set.
    data: { validation: 'auto', ...withFixedSplit(data) },
    // Shortcuts of option A have no parameters, so both families have the same number of
    // parameters. There are no pretrained weights of plain networks.
    model: {
      shortcut: 'A',
      weights: 'none',
      ...model,
      ...(family === 'plain' && { shortcut: 'auto' }),
      arch,
    },
    schedule: schedule ?? { type: 'multistep', gamma: 0.1, milestones: 'auto', unit },
    seed,
  }
  return { name: `${arch}-seed${seed}`, config }
}

function recipeFor(depth: number): string {
  if (IMAGENET_DEPTHS.includes(depth)) return 'he2015-imagenet'
  return depth >= 110 ? 'he2015-cifar110' : 'he2015-cifar'
}

async function writeResult(
  dir: string,
  trained: readonly TrainedNetwork[],
): Promise<DegradationResult> {
  const networks: DegradationNetwork[] = []
  for (const network of trained) networks.push(await networkResult(network))
  const comparisons = (Object.keys(ARCH_PREFIX) as Family[]).flatMap((family) =>
    compareDepths(networks, family),
  )
  const isDegraded = (family: Family) =>
    comparisons.find((comparison) => comparison.family === family)?.degraded
  const reproduced = isDegraded('plain') === true && isDegraded('residual') === false
  const summary = describeComparisons(networks, comparisons, reproduced)
  const table = degradationTable(networks, summary, trained)
  const files = { markdown: join(dir, 'table.md'), csv: join(dir, 'table.csv') }
  const result: DegradationResult = {
    dir,
    networks,
    comparisons,
    reproduced,
    summary,
    figure: await plotErrors(dir, trained),
    responses: await plotResponses(dir, networks),
    table: files,
    seconds: trained
      .flatMap(({ runs }) => runs)
      .reduce((sum, { result }) => sum + result.seconds, 0),
  }
  replaceFile(files.markdown, toMarkdown(table))
  replaceFile(files.csv, toCsv(table))
  replaceFile(join(dir, 'result.json'), `${JSON.stringify(result, null, 2)}\n`)
  return result
}

async function plotErrors(dir: string, trained: readonly TrainedNetwork[]): Promise<FigureFiles> {
  const series = trained.flatMap(({ family, depth, runs }) =>
    errorCurves(`${depth} layers`, runs, family),
  )
  const source = trained[0]?.runs[0]?.start.data.source ?? ''
  const svg = await lineChart({
    title: `Plain and residual networks on ${basename(source)}`,
    x: { title: 'steps', format: '~s' },
    y: { title: 'error (%)', domain: errorDomain(series) },
    series,
  })
  return await writeFigure(dir, 'degradation', svg)
}

async function networkResult({ family, depth, runs }: TrainedNetwork): Promise<DegradationNetwork> {
  const lastEpochs = runs.map(({ name, epochs }) => {
    const epoch = epochs.at(-1)
    if (epoch !== undefined) return epoch
    const message = `${name} ended before its first epoch was complete`
    throw new ResidualError({ code: 'E_CONFIG', message, at: { key: 'budget' } })
  })
  const meanError = (scores: readonly ({ accuracy: number } | null)[]) => {
    const known = scores.filter((score) => score !== null)
    return known.length === 0 ? null : meanStd(known.map(({ accuracy }) => 1 - accuracy))
  }
  // An epoch that the budget cut short has too few images for a comparable mean.
  const completeEpochs = runs.map(({ epochs }, index) => {
    const epochSize = Math.max(...epochs.map(({ train }) => train.count))
    return (
      epochs.findLast(({ train }) => train.count === epochSize) ?? (lastEpochs[index] as EpochEvent)
    )
  })
  const arch = `${ARCH_PREFIX[family]}${depth}`
  return {
    arch,
    family,
    depth,
    parameters: runs[0]?.start.parameters ?? 0,
    trainError: meanError(completeEpochs.map(({ train }) => train)) as MeanStd,
    valError: meanError(lastEpochs.map(({ val }) => val)),
    testError: meanError(runs.map(({ result }) => result.test)),
    paper: paperError(arch) ?? null,
    responses: await measureResponses((runs[0] as ExperimentRun).dir),
    runs: runs.map(({ dir }) => dir),
  }
}

/** Compares the shallowest and the deepest network of a family. Empty for a single depth. */
function compareDepths(networks: readonly DegradationNetwork[], family: Family): DepthComparison[] {
  const sorted = networks
    .filter((network) => network.family === family)
    .sort((a, b) => a.depth - b.depth)
  const [shallow, deep] = [sorted.at(0), sorted.at(-1)]
  if (shallow === undefined || deep === undefined || shallow === deep) return []
  const difference = deep.trainError.mean - shallow.trainError.mean
  return [{ family, shallow: shallow.arch, deep: deep.arch, difference, degraded: difference > 0 }]
}

function checkDepths(depths: readonly number[]): void {
  const depthError = (message: string) =>
    new ResidualError({
      code: 'E_CONFIG',
      message,
      at: { key: 'depths' },
      hint: 'Use 6n + 2 except 50 for CIFAR (20, 32, 44, 56, 110, ...), or 18 and 34 for ImageNet.',
    })
  if (!Array.isArray(depths) || depths.length === 0) {
    throw depthError('`depths` must be a list of at least one depth')
  }
  const isImagenet = (depth: number) => IMAGENET_DEPTHS.includes(depth)
  for (const depth of depths) {
    const isCifar = Number.isInteger(depth) && depth >= 8 && depth % 6 === 2
    // resnet50 is the bottleneck network for ImageNet, which has no plain counterpart.
    if (isImagenet(depth) || (isCifar && depth !== 50)) continue
    throw depthError(`there is no plain and residual pair of ${JSON.stringify(depth)} layers`)
  }
  if (depths.some(isImagenet) && !depths.every(isImagenet)) {
    throw depthError('`depths` mixes networks for CIFAR and for ImageNet')
  }
  if (new Set(depths).size < depths.length) throw depthError('`depths` contains a depth twice')
}

function checkBudget({ budget }: Pick<DegradationConfig, 'budget'>): void {
  if (budget?.seconds == null) return
  throw new ResidualError({
    code: 'E_CONFIG',
    message:
      '`budget.seconds` is not supported here, because deep networks would train for fewer steps',
    at: { key: 'budget.seconds' },
    hint: 'Set `epochs` or `budget.steps` to train all networks equally.',
  })
}

function checkModel(model: ModelConfig | undefined): void {
  if (model === undefined) return
  if (typeof model === 'object' && model !== null && model.arch === undefined) return
  throw new ResidualError({
    code: 'E_CONFIG',
    message: '`model` names a network, but `depths` selects the networks',
    at: { key: 'model' },
    hint: 'Remove `model.arch` and set `depths`.',
  })
}
