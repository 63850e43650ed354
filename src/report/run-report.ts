import type { GridTile } from '../image-grid/grid.js'
import { makeGrid, type Picture } from '../image-grid/grid.js'
import { renderPredictions } from '../image-grid/predictions.js'
import type { RunFolder } from '../run-folder/run-folder.js'
import type { Found, Measured } from './evaluate-run.js'
import { type Figure, showFigure } from './html/figure.js'
import { count, duration, percent } from './html/format.js'
import { type Content, type Html, html, name } from './html/html.js'
import { page, type Section } from './html/page.js'
import { sentences } from './html/sentences.js'
import { folded } from './html/table.js'
import { certaintyFigure } from './sections/calibration.js'
import { balanceFigure, type Counted } from './sections/class-balance.js'
import { configurationTables, environmentTable, repeatCommand } from './sections/configuration.js'
import { confusionFigure, pairTable } from './sections/confusion-matrix.js'
import { showExamples, showTiles } from './sections/example-images.js'
import { classTable } from './sections/per-class.js'
import { inWords } from './sections/summary.js'
import { curves, epochTable } from './sections/training-curves.js'

/** A report, before it is written. */
export interface Drawn {
  page: string
  figures: Figure[]
  pictures: { name: string; picture: Picture }[]
  /** Sections that are not there, and why. */
  skipped: { section: string; reason: string }[]
}

const PARTS = { test: 'test', val: 'validation', train: 'training' } as const

/** More warnings are counted and not shown. */
const MOST_WARNINGS = 50

/** The report on one run. */
export async function drawRun(
  run: RunFolder,
  measured: Found<Measured>,
  augmented: Found<GridTile[]>,
): Promise<Drawn> {
  const drawn: Drawn = { page: '', figures: [], pictures: [], skipped: [] }
  const sections: Section[] = []
  // Runs of before it was written down have none.
  const trained: number[] | undefined = run.start?.trainClasses
  const known = 'found' in measured ? measured.found : undefined
  const source = String(run.config.data.source ?? '')

  const add = (id: string, title: string, content: Content | { missing: string }) => {
    if (typeof content === 'object' && 'missing' in content) {
      drawn.skipped.push({ section: title, reason: content.missing })
    } else {
      sections.push({ id, title, content })
    }
  }
  const plots = (figures: readonly (Figure | undefined)[], beside?: Content): Html => {
    const there = figures.filter((figure) => figure !== undefined)
    drawn.figures.push(...there)
    return html`<div class="plots">${there.map(showFigure)}${beside}</div>`
  }
  const grid = (name: string, picture: Picture) => drawn.pictures.push({ name, picture })

  add('result', 'What came out', inWords(run, known, trained))
  if (run.epochs.length > 0) {
    const table = folded('The numbers behind these figures', epochTable(run))
    add('curves', 'How it learned', [plots(await curves(run)), table])
  } else {
    add('curves', 'How it learned', { missing: 'No epoch has been trained to its end yet.' })
  }

  if (known !== undefined) {
    const { evaluation, part } = known
    const on = html`<p>On ${count(evaluation.count)} ${PARTS[part]} images.</p>`
    add('confusion', 'What it takes for what', [
      on,
      plots(
        [await confusionFigure(evaluation)],
        pairTable(evaluation) ?? html`<p>Nothing was taken for something else.</p>`,
      ),
    ])
    add('classes', 'Class by class', [
      html`<p>Recognised: the share of the images of a class that were taken for it (recall).
Precision: of the images that were taken for it, the share that are of it. F1: both in one.</p>`,
      classTable(evaluation, trained),
    ])
    add('samples', 'Samples', [
      html`<p>${count(evaluation.samples.length)} images, not chosen by their result. ✓ it was
recognised, ✗ what it was taken for instead, and how sure the network was.</p>`,
      showExamples(evaluation.samples, source),
    ])
    if (evaluation.samples.length > 0) grid('samples', renderPredictions(evaluation.samples))
    const wrong = evaluation.topLosses.filter(({ label, predicted }) => label !== predicted)
    const worst = wrong.length > 0 ? wrong : evaluation.topLosses
    const about =
      wrong.length > 0
        ? 'Where it was most sure of something wrong. Sometimes it is the label that is wrong.'
        : 'It made no mistake; of these images it was least sure.'
    add('worst', 'The worst mistakes', [html`<p>${about}</p>`, showExamples(worst, source)])
    if (worst.length > 0) grid('worst', renderPredictions(worst))
    add('certainty', 'How sure it is', plots([await certaintyFigure(evaluation)]))
  } else {
    const { missing } = measured as { missing: string }
    for (const [id, title] of MEASURED) add(id, title, { missing })
  }

  add('balance', 'Images of each class', await balance(run, known, plots))
  if ('found' in augmented && augmented.found.length > 0) {
    const mix = run.config.transform?.mix?.type
    const mixed =
      mix !== undefined && mix !== 'none'
        ? ` Two of them at a time were mixed then (${mix}), which is not shown.`
        : ''
    add('augmented', 'Images as training sees them', [
      html`<p>Some of the training images, changed at random as they are each time.${mixed}</p>`,
      showTiles(augmented.found),
    ])
    grid('augmented', makeGrid(augmented.found.map(({ image, caption }) => ({ image, caption }))))
  } else {
    const missing = 'missing' in augmented ? augmented.missing : 'There are none.'
    add('augmented', 'Images as training sees them', { missing })
  }
  add('configuration', 'Configuration', configurationTables(run))
  const nothing = Object.keys(run.environment).length === 0
  const absent = { missing: 'There is no environment.json in the run folder.' }
  add('environment', 'What it ran on', nothing ? absent : environmentTable(run.environment))
  add('repeat', 'The same again', again(run))
  const remarks = [...run.remarks]
  const unread = known?.evaluation.broken ?? 0
  if (unread > 0) remarks.push(`${count(unread)} images could not be read when it was measured.`)
  if (run.warnings.length + remarks.length > 0) add('notes', 'Notes', notes(run, remarks))

  if (drawn.skipped.length > 0) {
    sections.splice(1, 0, { id: 'missing', title: 'Left out', content: leftOut(drawn.skipped) })
  }

  const title = `${run.config.model.arch} on ${sourceName(source)}`
  drawn.page = page(title, lead(run, known), sections, foot(run))
  return drawn
}

/** What is made from an evaluation. */
const MEASURED = [
  ['confusion', 'What it takes for what'],
  ['classes', 'Class by class'],
  ['samples', 'Samples'],
  ['worst', 'The worst mistakes'],
  ['certainty', 'How sure it is'],
] as const

/** What could not be made, by its reason. */
function leftOut(skipped: Drawn['skipped']): Html {
  const reasons = new Map<string, string[]>()
  for (const { section, reason } of skipped) {
    reasons.set(reason, [...(reasons.get(reason) ?? []), section])
  }
  const items = [...reasons].map(
    ([reason, sections]) =>
      html`<p class="note"><strong>${sections.join(', ')}.</strong> ${reason}</p>\n`,
  )
  return html`${items}`
}

/** A data set by the end of its path. */
export function sourceName(source: string | undefined): string {
  return (
    String(source ?? '')
      .replace(/[\\/]+$/, '')
      .split(/[\\/]/)
      .at(-1) || 'images'
  )
}

function lead(run: RunFolder, known: Measured | undefined): Html {
  const { result, epochs, start, config } = run
  const best = result?.best ?? undefined
  const [score, of] = known
    ? [
        known.evaluation.accuracy,
        `right, of ${count(known.evaluation.count)} ${PARTS[known.part]} images`,
      ]
    : result?.test
      ? [result.test.accuracy, `right, of ${count(result.test.count)} test images`]
      : [best?.accuracy ?? epochs.at(-1)?.val?.accuracy, 'right, when its states were compared']
  const seconds = result?.seconds ?? epochs.at(-1)?.seconds
  const done = `${count(result?.epochs ?? epochs.length)}${config.epochs ? ` of ${count(config.epochs)}` : ''}`
  const tiles: [string, string][] = [
    [of, percent(score)],
    ['training images', count(start?.trainImages)],
    ['classes', count(start?.data.classes.length)],
    [best ? `epochs, best after ${best.epoch}` : 'epochs', done],
    ['of training', duration(seconds)],
    ['images a second', count(result?.imagesPerSecond ?? epochs.at(-1)?.imagesPerSecond)],
  ]
  const shown = tiles.map(([label, value]) => html`<div><dt>${label}</dt><dd>${value}</dd></div>\n`)
  const began = run.environment.startedAt
  const when = began === undefined ? '' : `, trained on ${began.slice(0, 10)}`
  return html`<p class="lead">Run ${name(run.name)}${when}</p>
<dl class="tiles">${shown}</dl>`
}

async function balance(
  { start }: RunFolder,
  known: Measured | undefined,
  plots: (figures: readonly Figure[]) => Html,
): Promise<Content | { missing: string }> {
  const parts: Counted[] = []
  if (start?.trainClasses) parts.push({ part: PARTS.train, counts: start.trainClasses })
  if (known !== undefined && known.part !== 'train') {
    const counts = known.evaluation.classes.map(({ count }) => count)
    parts.push({ part: PARTS[known.part], counts })
  }
  const classes = start?.data.classes ?? []
  if (parts.length === 0 || classes.length === 0) {
    return { missing: 'The run did not write down how many images there are of each class.' }
  }
  return plots([await balanceFigure(classes, parts)])
}

function again(run: RunFolder): Content {
  const command = repeatCommand(run)
  if (command === undefined) {
    return html`<p>It was trained on images in memory, which no command can bring back:
<code>train(config, { arrays })</code> with the configuration above does.</p>`
  }
  return html`<p>This trains the same again; with as many threads, on the same kind of machine, to the
same bits. Relative paths are meant from the folder in which it was trained.</p>
<pre tabindex="0"><code>${command}</code></pre>`
}

function notes({ warnings }: RunFolder, remarks: readonly string[]): Html {
  const shown = warnings
    .slice(0, MOST_WARNINGS)
    .map(({ message, hint }) => sentences(message, hint))
  const more = warnings.length - shown.length
  const lines = [...remarks, ...shown, ...(more > 0 ? [`${count(more)} more warnings.`] : [])]
  return html`<ul>${lines.map((line) => html`<li>${name(line)}</li>\n`)}</ul>`
}

export function foot({ environment }: Pick<RunFolder, 'environment'>): Html {
  const version = environment.residual === undefined ? '' : ` ${environment.residual}`
  return html`<p>Made by residual${version}. This file needs nothing else: it can be sent, and opened offline.</p>`
}
