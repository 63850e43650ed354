import type { DegradationNetwork, DepthComparison, TrainedNetwork } from './degradation-result.js'
import type { MeanStd } from './mean-std.js'
import { formatMeanStd, formatPercent, type Table } from './result-table.js'

/** Describes the comparisons and whether they agree with the paper, in sentences. */
export function describeComparisons(
  networks: readonly DegradationNetwork[],
  comparisons: readonly DepthComparison[],
  reproduced: boolean,
): string {
  if (comparisons.length === 0) return 'A comparison needs at least two depths.'
  const error = (arch: string) => {
    const network = networks.find((candidate) => candidate.arch === arch)
    return network === undefined ? '' : `${formatMeanStd(network.trainError)} %`
  }
  const sentences = comparisons.map(({ deep, shallow, degraded }) => {
    const relation = degraded ? 'is higher than' : 'is not higher than'
    const sentence = `The training error of ${deep} (${error(deep)}) ${relation} that of ${shallow} (${error(shallow)}).`
    const [first, second] = [deep, shallow].map(
      (arch) => networks.find((network) => network.arch === arch)?.trainError,
    )
    return first && second && isWithinVariation(first, second)
      ? `${sentence} This difference is within the variation between seeds.`
      : sentence
  })
  const isSingle = networks.every(({ trainError }) => trainError.values.length === 1)
  const caveat = isSingle
    ? ['With one seed, the variation between runs is unknown: set `seeds` to 3 or more.']
    : []
  const agreement = reproduced
    ? 'The plain networks show degradation and the residual networks do not, as in the paper.'
    : 'This differs from the paper, where the deeper plain network trains worse and the deeper residual network does not.'
  return [...sentences, agreement, ...caveat].join(' ')
}

/** Quantiles 0.975 of Student's t distribution for 2, 4, 6, ... degrees of freedom. */
const T_QUANTILES = [4.303, 2.776, 2.447, 2.306, 2.228, 2.179, 2.145, 2.12, 2.101]

/**
 * Whether two means over at least two seeds each do not differ significantly (two-sided t-test at
 * the 5 % level). False for a single seed, whose variation is unknown.
 */
export function isWithinVariation(first: MeanStd, second: MeanStd): boolean {
  const numSeeds = Math.min(first.values.length, second.values.length)
  if (numSeeds < 2) return false
  const variance = (value: MeanStd) => value.std ** 2 / value.values.length
  const error = Math.sqrt(variance(first) + variance(second))
  return Math.abs(first.mean - second.mean) <= (T_QUANTILES[numSeeds - 2] ?? 1.96) * error
}

/** Builds the table of all networks. */
export function degradationTable(
  networks: readonly DegradationNetwork[],
  summary: string,
  trained: readonly TrainedNetwork[],
): Table {
  const cell = (value: MeanStd | null) => (value === null ? '-' : formatMeanStd(value))
  return {
    header: [
      'network',
      'parameters',
      'training error (%)',
      'validation error (%)',
      'test error (%)',
      'test error in the paper (%)',
    ],
    rows: networks.map((network) => [
      network.arch,
      network.parameters.toLocaleString('en-US'),
      formatMeanStd(network.trainError),
      cell(network.valError),
      cell(network.testError),
      network.paper === null ? '-' : formatPercent(network.paper.error),
    ]),
    notes: [summary, ...tableNotes(networks, trained)],
  }
}

function tableNotes(
  networks: readonly DegradationNetwork[],
  trained: readonly TrainedNetwork[],
): string[] {
  const [first] = trained.flatMap(({ runs }) => runs)
  if (first === undefined) return []
  const { config, data, trainImages, valImages, testImages } = first.start
  const seeds = trained[0]?.runs.map(({ start }) => start.config.seed) ?? []
  const { steps, epochs } = first.result
  const sources = [...new Set(networks.flatMap(({ paper }) => paper?.source ?? []))]
  const seedNote =
    seeds.length > 1
      ? `seeds ${seeds.join(', ')} (mean ± sample standard deviation)`
      : `seed ${seeds[0]}`
  return [
    [
      `Each network: ${steps.toLocaleString('en-US')} steps (${epochs} epochs) with batch size ${config.batchSize},`,
      `${config.optimizer.type} with learning rate ${config.optimizer.lr}, ${config.schedule.type} schedule, ${config.precision} on ${config.device};`,
      `${seedNote}.`,
      `Data: ${data.source}, ${trainImages} training, ${valImages} validation and ${testImages} test images.`,
    ].join(' '),
    'Training error: mean of the last complete epoch, on augmented images, in training mode. Validation error: after the last epoch. Test error: checkpoint with the best validation accuracy.',
    ...(sources.length > 0
      ? [`Paper: ${sources.join('; ')}, with its full schedule on the full data set.`]
      : []),
  ]
}
