import { basename, join, resolve } from 'node:path'
import { type FigureFiles, writeFigure } from '../charts/figure-files.js'
import { lineChart } from '../charts/line-chart.js'
import { ResidualError } from '../errors/errors.js'
import type { EpochEvent, LayerResponse, ModelConfig, TrainConfig } from '../native/generated.js'
import { replaceFile } from '../run-folder/json-files.js'
import { errorCurves, errorDomain } from './error-curves.js'
import { measureResponses, plotResponses } from './layer-responses.js'
import { type MeanStd, meanStd } from './mean-std.js'
import {
  type ExperimentOptions,
  type Member,
  type MemberPlan,
  trainMembers,
} from './member-runs.js'
import { IMAGENET_DEPTHS, type PublishedResult, paperError } from './paper-results.js'
import { formatMeanStd, formatPercent, type Table, toCsv, toMarkdown } from './result-table.js'
import { checkSeeds, dataSetName, withFixedSplit } from './seeds.js'

/** What to compare: any key of `TrainConfig` for all networks, and which networks. */
export interface DegradationConfig extends Omit<TrainConfig, 'model' | 'resume'> {
  /**
   * The depths, each trained plain and residual: those of CIFAR networks, 6n + 2, or 18 and 34.
   * Default: [20, 56].
   */
  depths?: readonly number[] | undefined
  /** Runs of every network, seeded `seed`, `seed + 1`, ... Default: 1. */
  seeds?: number | undefined
  /** What the networks have in common, all but `arch`. */
  model?: ModelConfig | undefined
}

/** One network of the comparison, over its seeds. Errors are shares, 0 to 1. */
export interface DegradationNetwork {
  /** `plain20`, `resnet56`. */
  arch: string
  family: 'plain' | 'residual'
  depth: number
  parameters: number
  /** Of the last whole epoch, its mean on augmented training images, as the paper plots it. */
  trainError: MeanStd
  /** After the last epoch; null without a validation part. */
  valError: MeanStd | null
  /** Of the checkpoint that `monitor` chose; null without a test part. */
  testError: MeanStd | null
  /** The paper's test error; null where it gives no number. */
  paper: PublishedResult | null
  /** The 3x3 layers of the first seed's checkpoint, on the part that it was evaluated on. */
  responses: LayerResponse[]
  /** The run folders, absolute, in the order of the seeds. */
  runs: string[]
}

/** Whether depth harmed the training, in one of the two families. */
export interface DegradationVerdict {
  family: 'plain' | 'residual'
  /** The shallowest and the deepest network. */
  shallow: string
  deep: string
  /** Training error of the deep one less that of the shallow one, a share; mean over seeds. */
  difference: number
  degraded: boolean
}

/** What `experiment.degradation()` gives; the same is in result.json. */
export interface DegradationResult {
  /** The experiment's folder, absolute. */
  dir: string
  networks: DegradationNetwork[]
  verdicts: DegradationVerdict[]
  /** Whether deeper was worse for the plain networks and not for the residual ones. */
  reproduced: boolean
  /** The same in words. */
  verdict: string
  /** Training and validation error against updates (figures 1, 4 and 6). */
  figure: FigureFiles
  /** Standard deviations of the layers' responses (figure 7). */
  responses: FigureFiles
  /** The table as Markdown and CSV, absolute paths. */
  table: { markdown: string; csv: string }
  seconds: number
}

const FAMILIES = { plain: 'plain', residual: 'resnet' } as const
type Family = keyof typeof FAMILIES

/** See {@link Experiments.degradation}. */
export async function degradation(
  config: DegradationConfig,
  options: ExperimentOptions = {},
): Promise<DegradationResult> {
  const { depths = [20, 56], seeds = 1, out, overwrite = false, ...said } = config
  checkDepths(depths)
  checkSeeds(seeds)
  checkModel(said.model)
  checkBudget(said)
  const dir = resolve(!out || out === 'auto' ? `runs/degradation-${dataSetName(said.data)}` : out)
  const nets = depths.flatMap((depth) =>
    (['plain', 'residual'] as const).map((family) => ({ family, depth })),
  )
  const plans = Array.from({ length: seeds }, (_, index) => index).flatMap((index) =>
    nets.map(({ family, depth }) => plan(said, family, depth, (said.seed ?? 0) + index)),
  )
  const members = await trainMembers('degradation', dir, plans, { overwrite, ...options })
  return await report(
    dir,
    nets.map(({ family, depth }, at) => ({
      family,
      depth,
      members: members.filter((_, index) => index % nets.length === at),
    })),
  )
}

/** One run: what was said, on top of the paper's recipe. */
function plan(
  { data, model, schedule, ...said }: Omit<DegradationConfig, 'depths' | 'seeds'>,
  family: Family,
  depth: number,
  seed: number,
): MemberPlan {
  const arch = `${FAMILIES[family]}${depth}`
  const unit = said.epochs === undefined && said.budget?.epochs == null ? 'step' : 'epoch'
  const config: TrainConfig = {
    recipe: recipeFor(depth),
    ...said,
    // The recipe's 5,000 images are a tenth of CIFAR-10's; of other data, a tenth it is.
    data: { validation: 'auto', ...withFixedSplit(data) },
    // Option A adds no parameters: the two networks differ in their shortcuts alone. (Nobody has
    // published weights of plain ones.)
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

interface Net {
  family: Family
  depth: number
  members: Member[]
}

async function report(dir: string, trained: readonly Net[]): Promise<DegradationResult> {
  const nets: DegradationNetwork[] = []
  for (const net of trained) nets.push(await measured(net))
  const verdicts = (Object.keys(FAMILIES) as Family[]).flatMap((family) => judged(nets, family))
  const by = (family: Family) => verdicts.find((verdict) => verdict.family === family)
  const reproduced = by('plain')?.degraded === true && by('residual')?.degraded === false
  const verdict = inWords(nets, verdicts, reproduced)

  const series = trained.flatMap(({ family, depth, members }) =>
    errorCurves(`${depth} layers`, members, family),
  )
  const source = trained[0]?.members[0]?.start.data.source ?? ''
  const svg = await lineChart({
    title: `Plain and residual networks on ${basename(source)}`,
    x: { title: 'updates', format: '~s' },
    y: { title: 'error (%)', domain: errorDomain(series) },
    series,
  })
  const figure = await writeFigure(dir, 'degradation', svg)
  const responses = await plotResponses(dir, nets)
  const table = tableOf(nets, verdict, trained)
  const files = { markdown: join(dir, 'table.md'), csv: join(dir, 'table.csv') }
  replaceFile(files.markdown, toMarkdown(table))
  replaceFile(files.csv, toCsv(table))
  const seconds = trained
    .flatMap(({ members }) => members)
    .reduce((sum, { result }) => sum + result.seconds, 0)
  const result: DegradationResult = {
    dir,
    networks: nets,
    verdicts,
    reproduced,
    verdict,
    figure,
    responses,
    table: files,
    seconds,
  }
  replaceFile(join(dir, 'result.json'), `${JSON.stringify(result, null, 2)}\n`)
  return result
}

async function measured({ family, depth, members }: Net): Promise<DegradationNetwork> {
  const last = members.map(({ name, epochs }) => {
    const epoch = epochs.at(-1)
    if (epoch !== undefined) return epoch
    const message = `${name} ended before anything was measured`
    throw new ResidualError({ code: 'E_CONFIG', message, at: { key: 'budget' } })
  })
  const errors = (scores: readonly ({ accuracy: number } | null)[]) => {
    const there = scores.filter((score) => score !== null)
    return there.length === 0 ? null : meanStd(there.map(({ accuracy }) => 1 - accuracy))
  }
  // What a budget of updates cut short has seen too few images for a mean.
  const whole = members.map(({ epochs }, index) => {
    const most = Math.max(...epochs.map(({ train }) => train.count))
    return epochs.findLast(({ train }) => train.count === most) ?? (last[index] as EpochEvent)
  })
  const arch = `${FAMILIES[family]}${depth}`
  return {
    arch,
    family,
    depth,
    parameters: members[0]?.start.parameters ?? 0,
    trainError: errors(whole.map(({ train }) => train)) as MeanStd,
    valError: errors(last.map(({ val }) => val)),
    testError: errors(members.map(({ result }) => result.test)),
    paper: paperError(arch) ?? null,
    responses: await measureResponses((members[0] as Member).dir),
    runs: members.map((member) => member.dir),
  }
}

function judged(nets: readonly DegradationNetwork[], family: Family): DegradationVerdict[] {
  const ofFamily = nets.filter((net) => net.family === family).sort((a, b) => a.depth - b.depth)
  const [shallow, deep] = [ofFamily.at(0), ofFamily.at(-1)]
  if (shallow === undefined || deep === undefined || shallow === deep) return []
  const difference = deep.trainError.mean - shallow.trainError.mean
  return [{ family, shallow: shallow.arch, deep: deep.arch, difference, degraded: difference > 0 }]
}

function inWords(
  nets: readonly DegradationNetwork[],
  verdicts: readonly DegradationVerdict[],
  reproduced: boolean,
): string {
  if (verdicts.length === 0) return 'One depth alone shows no degradation: give two.'
  const error = (arch: string) => {
    const net = nets.find((candidate) => candidate.arch === arch)
    return net === undefined ? '' : `${formatMeanStd(net.trainError)} %`
  }
  const sentences = verdicts.map(({ deep, shallow, degraded }) => {
    const lies = degraded ? 'lies above' : 'does not lie above'
    return `The training error of ${deep} (${error(deep)}) ${lies} that of ${shallow} (${error(shallow)}).`
  })
  const summary = reproduced
    ? 'Degradation is there in the plain networks and is not there in the residual ones, as in the paper.'
    : 'This is not what the paper found: there the deeper plain network trains worse, and the deeper residual one does not.'
  return [...sentences, summary].join(' ')
}

function tableOf(
  nets: readonly DegradationNetwork[],
  verdict: string,
  trained: readonly Net[],
): Table {
  const dash = (value: MeanStd | null) => (value === null ? '-' : formatMeanStd(value))
  return {
    heading: [
      'network',
      'parameters',
      'training error (%)',
      'validation error (%)',
      'test error (%)',
      "paper's test error (%)",
    ],
    rows: nets.map((net) => [
      net.arch,
      net.parameters.toLocaleString('en-US'),
      formatMeanStd(net.trainError),
      dash(net.valError),
      dash(net.testError),
      net.paper === null ? '-' : formatPercent(net.paper.error),
    ]),
    notes: [verdict, ...notes(nets, trained)],
  }
}

/** What a reader has to know of the numbers. */
function notes(nets: readonly DegradationNetwork[], trained: readonly Net[]): string[] {
  const [first] = trained.flatMap(({ members }) => members)
  if (first === undefined) return []
  const { config, data, trainImages, valImages, testImages } = first.start
  const seeds = trained[0]?.members.map(({ start }) => start.config.seed) ?? []
  const { steps, epochs } = first.result
  const sources = [...new Set(nets.flatMap(({ paper }) => paper?.source ?? []))]
  return [
    [
      `Each network: ${steps.toLocaleString('en-US')} updates (${epochs} epochs) of ${config.batchSize} images,`,
      `${config.optimizer.type} at ${config.optimizer.lr}, ${config.schedule.type} schedule, ${config.precision} on ${config.device};`,
      `seed${seeds.length > 1 ? 's' : ''} ${seeds.join(', ')}${seeds.length > 1 ? ' (mean ± sample deviation)' : ''}.`,
      `Data: ${data.source}, ${trainImages} training, ${valImages} validation and ${testImages} test images.`,
    ].join(' '),
    'Training error: mean over the last whole epoch, on augmented images, in training mode. Validation error: after the last epoch. Test error: of the checkpoint that was best on the validation part.',
    ...(sources.length > 0
      ? [`The paper's: ${sources.join('; ')}, after its whole schedule on the whole data set.`]
      : []),
  ]
}

function checkDepths(depths: readonly number[]): void {
  const refuse = (message: string) =>
    new ResidualError({
      code: 'E_CONFIG',
      message,
      at: { key: 'depths' },
      hint: "CIFAR's depths are 6n + 2 (20, 32, 44, 56, 110, ...), ImageNet's are 18 and 34.",
    })
  if (!Array.isArray(depths) || depths.length === 0) {
    throw refuse('`depths` must be a list of at least one depth')
  }
  const isImagenet = (depth: number) => IMAGENET_DEPTHS.includes(depth)
  for (const depth of depths) {
    const isCifar = Number.isInteger(depth) && depth >= 8 && depth % 6 === 2
    // resnet50 is ImageNet's bottleneck network, which has no plain counterpart.
    if (isImagenet(depth) || (isCifar && depth !== 50)) continue
    throw refuse(`there is no plain and residual pair of ${JSON.stringify(depth)} layers`)
  }
  if (depths.some(isImagenet) && !depths.every(isImagenet)) {
    throw refuse('`depths` mixes networks for CIFAR and for ImageNet')
  }
  if (new Set(depths).size < depths.length) throw refuse('`depths` names a depth twice')
}

function checkBudget({ budget }: Pick<DegradationConfig, 'budget'>): void {
  if (budget?.seconds == null) return
  throw new ResidualError({
    code: 'E_CONFIG',
    message: 'in the same time a deep network makes fewer updates than a shallow one',
    at: { key: 'budget.seconds' },
    hint: 'Give `epochs` or `budget.steps`, so that all networks are trained alike.',
  })
}

function checkModel(model: ModelConfig | undefined): void {
  if (model === undefined) return
  if (typeof model === 'object' && model !== null && model.arch === undefined) return
  throw new ResidualError({
    code: 'E_CONFIG',
    message: '`model` names a network, which `depths` does here',
    at: { key: 'model' },
    hint: 'Leave `model.arch` out and give `depths`.',
  })
}
