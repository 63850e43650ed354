import { relative } from 'node:path'
import { type LineChart, lineChart, type Series, type Stroke } from '../charts/line-chart.js'
import { PALETTE } from '../charts/theme.js'
import type { EpochEvent } from '../native/generated.js'
import type { RunFolder } from '../run-folder/run-folder.js'
import { type Figure, showFigure } from './html/figure.js'
import { count, decimal, duration, percent } from './html/format.js'
import { type Content, html, name } from './html/html.js'
import { page, type Section } from './html/page.js'
import { table } from './html/table.js'
import { type Drawn, foot, sourceName } from './run-report.js'
import { environmentRows, settings } from './sections/configuration.js'
import { share } from './sections/per-class.js'
import { byEpochs, EPOCHS, fromZero, lossDomain, SIZE } from './sections/training-curves.js'

/** As many can be told apart: each colour twice, solid and dashed. */
const MOST_CURVES = 2 * PALETTE.length

/** What differs in every run and says nothing. */
const OWN = new Set(['out', 'resume', 'overwrite'])
const OWN_ENVIRONMENT = new Set(['began (UTC)'])

/** A run as it is compared. */
interface Compared {
  run: RunFolder
  /** Unlike every other's. */
  label: string
}

/** What several runs have in common, and what not. */
export async function drawComparison(runs: readonly RunFolder[]): Promise<Drawn> {
  const labels = labelsOf(runs)
  const compared = runs.map((run, index): Compared => ({ run, label: labels[index] ?? run.name }))
  const ranked = [...compared].sort((a, b) => scoreOf(b.run) - scoreOf(a.run))
  const figures = await overlaid(ranked.slice(0, MOST_CURVES))
  const some =
    ranked.length > MOST_CURVES
      ? html`<p>The ${MOST_CURVES} best of ${count(ranked.length)} runs.</p>`
      : undefined
  const sections: Section[] = [
    { id: 'results', title: 'Results', content: [...inWords(ranked), results(ranked)] },
    {
      id: 'curves',
      title: 'How they learned',
      content: [some, html`<div class="plots">${figures.map(showFigure)}</div>`],
    },
    {
      id: 'configuration',
      title: 'What differs in their configuration',
      content: differences(compared, ({ config }) => settings(config), OWN),
    },
    {
      id: 'environment',
      title: 'What differs in where they ran',
      content: differences(
        compared,
        ({ environment }) => environmentRows(environment),
        OWN_ENVIRONMENT,
      ),
    },
  ]
  const remarks = compared.flatMap(({ run, label }) =>
    run.remarks.map((remark) => html`<li>${name(label)}: ${remark}</li>\n`),
  )
  if (remarks.length > 0) {
    sections.push({ id: 'notes', title: 'Notes', content: html`<ul>${remarks}</ul>` })
  }
  const sources = [...new Set(runs.map(({ config }) => sourceName(config.data.source)))]
  const title = `${runs.length} runs on ${sources.join(', ')}`
  const lead = html`<p class="lead">${compared.map(({ label }, index) => [index > 0 ? ', ' : '', name(label)])}</p>`
  const newest = runs.find(({ environment }) => environment.residual !== undefined) ?? {
    environment: {},
  }
  return { page: page(title, lead, sections, foot(newest)), figures, pictures: [], skipped: [] }
}

/** The folders' names or, where two have one, their paths. */
export function labelsOf(runs: readonly RunFolder[]): string[] {
  const times = new Map<string, number>()
  for (const { name } of runs) times.set(name, (times.get(name) ?? 0) + 1)
  return runs.map(({ name, dir }) => (times.get(name) === 1 ? name : relative(process.cwd(), dir)))
}

/** What runs are compared by: validation accuracy, for test images choose nothing. */
export function scoreOf({ result, epochs }: RunFolder): number {
  const best = epochs.find(({ epoch }) => epoch === result?.best?.epoch) ?? highest(epochs)
  const score = result?.best?.accuracy ?? best?.val?.accuracy ?? best?.train.accuracy
  return score !== undefined && Number.isFinite(score) ? score : -1
}

function highest(epochs: readonly EpochEvent[]): EpochEvent | undefined {
  const accuracy = ({ val, train }: EpochEvent) => (val ?? train).accuracy
  return epochs.reduce<EpochEvent | undefined>(
    (best, epoch) => (best === undefined || accuracy(epoch) > accuracy(best) ? epoch : best),
    undefined,
  )
}

function inWords(ranked: readonly Compared[]): Content[] {
  const [first, second] = ranked
  const prints = new Set(
    ranked.map(({ run }) => run.start?.data.fingerprint).filter((print) => print !== undefined),
  )
  const other =
    prints.size > 1
      ? html`<p class="note">They were not trained on the same images, so their figures say little about each other.</p>`
      : undefined
  if (first === undefined || second === undefined || scoreOf(second.run) < 0) return [other]
  const [best, next] = [scoreOf(first.run), scoreOf(second.run)]
  const verdict =
    best === next
      ? html`${name(first.label)} and ${name(second.label)} are equally good`
      : html`${name(first.label)} is the best, ${(100 * (best - next)).toFixed(1)} points above
${name(second.label)}`
  return [
    html`<p class="p">By the accuracy that each run chose its best state by, ${verdict}.</p>`,
    other,
  ]
}

function results(ranked: readonly Compared[]): Content {
  const headings = ['best accuracy', 'test accuracy', 'test loss', 'best epoch', 'epochs'].concat(
    ...['parameters', 'training images', 'images a second', 'time'],
  )
  const rows = ranked.map(({ run, label }): Content[] => {
    const { result, start, epochs } = run
    const score = scoreOf(run)
    return [
      name(label),
      run.config.model.arch,
      score < 0 ? '–' : share(score),
      percent(result?.test?.accuracy),
      decimal(result?.test?.loss),
      result?.best?.epoch ?? '–',
      result === undefined ? `${epochs.length}, not ended` : count(result.epochs),
      count(start?.parameters),
      count(start?.trainImages),
      count(result?.imagesPerSecond ?? epochs.at(-1)?.imagesPerSecond),
      duration(result?.seconds ?? epochs.at(-1)?.seconds),
    ]
  })
  const columns = [{ heading: 'run' }, { heading: 'network' }]
  const numbers = headings.map((heading) => ({ heading, numeric: true }))
  return table('Results', [...columns, ...numbers], rows)
}

type Measure = (epoch: EpochEvent) => number | undefined

/** The runs' curves, one over the other. */
async function overlaid(compared: readonly Compared[]): Promise<Figure[]> {
  const lines = (measure: Measure): Series[] =>
    compared
      .map(({ run, label }, index) => {
        const stroke: Stroke = index < PALETTE.length ? 'solid' : 'dashed'
        return { name: label, stroke, kind: 'run', points: byEpochs(run.epochs, measure) }
      })
      .filter(({ points }) => points.length > 0)
  const figure = async (
    name: string,
    what: string,
    y: LineChart['y'],
    series: readonly Series[],
  ): Promise<Figure | undefined> => {
    if (series.length === 0) return undefined
    const svg = await lineChart({ ...SIZE, x: EPOCHS, y, series })
    const label = `${what} of ${compared.length} runs, over their epochs.`
    return { name, svg, label, caption: `${what}.`, numbers: lastValues(name, series) }
  }
  const validation = lines(({ val }) => val?.loss)
  const training = lines(({ train }) => train.loss)
  const paces = lines(({ imagesPerSecond }) => imagesPerSecond)
  const domain = (series: readonly Series[]) => lossDomain(series.map(({ points }) => points))
  const accuracy = { title: 'accuracy', format: '.0%' }
  const figures = [
    await figure(
      'validation-accuracy',
      'Validation accuracy',
      accuracy,
      lines(({ val }) => val?.accuracy),
    ),
    await figure(
      'validation-loss',
      'Validation loss',
      { title: 'loss', domain: domain(validation) },
      validation,
    ),
    await figure(
      'training-accuracy',
      'Training accuracy',
      accuracy,
      lines(({ train }) => train.accuracy),
    ),
    await figure(
      'training-loss',
      'Training loss',
      { title: 'loss', domain: domain(training) },
      training,
    ),
    await figure(
      'learning-rate',
      'Learning rate',
      { title: 'learning rate' },
      lines(({ lr }) => lr),
    ),
    await figure(
      'throughput',
      'Throughput',
      { title: 'images a second', domain: fromZero(paces.flatMap(({ points }) => points)) },
      paces,
    ),
  ]
  return figures.filter((figure) => figure !== undefined)
}

/** Behind curves that lie over each other: where each ends, and its extremes. */
function lastValues(what: string, series: readonly Series[]) {
  const rows = series.map(({ name: label, points }): Content[] => {
    const values = points.map(({ y }) => y)
    const ends = [values[0], values.at(-1), Math.min(...values), Math.max(...values)]
    return [name(label), count(points.at(-1)?.x), ...ends.map(decimal)]
  })
  const numbers = ['epochs', 'first', 'last', 'lowest', 'highest']
  return table(
    what,
    [{ heading: 'run' }, ...numbers.map((heading) => ({ heading, numeric: true }))],
    rows,
  )
}

/** The rows that are not the same in all runs. */
function differences(
  compared: readonly Compared[],
  rowsOf: (run: RunFolder) => readonly [string, string][],
  own: ReadonlySet<string>,
): Content {
  const values = compared.map(({ run }) => new Map(rowsOf(run)))
  const keys = [...new Set(values.flatMap((map) => [...map.keys()]))]
  const rows = keys
    .filter((key) => !own.has(key) && new Set(values.map((map) => map.get(key))).size > 1)
    .map((key): Content[] => [
      html`<code>${key}</code>`,
      ...values.map((map) => html`<code>${name(map.get(key) ?? '–')}</code>`),
    ])
  if (rows.length === 0) return html`<p>Nothing.</p>`
  return table(
    'Differences',
    ['key', ...compared.map(({ label }) => label)].map((heading) => ({ heading })),
    rows,
  )
}
