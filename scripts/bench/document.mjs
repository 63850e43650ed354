// docs/performance.md, from a record.

import { toMarkdown } from '../../dist/experiment/result-table.js'

/** @typedef {import('./record.mjs').Record} Record */
/** @typedef {import('./record.mjs').Measured} Measured */
/** @typedef {import('./contest.mjs').Comparison} Comparison */
/** @typedef {import('./cases/case.mjs').Figures} Figures */
/** @typedef {import('./cases/case.mjs').Growth} Growth */

/** More than this is not called linear, and not flat. */
const LINEAR = 1.1
const FLAT = 1.15

/**
 * The whole page.
 *
 * @param {Record} record
 * @param {string} figure the SVG's name, beside the page
 */
export function toDocument(record, figure) {
  const comparisons = of(record, 'comparison')
  const parts = [
    '# Performance',
    `<!-- Made by \`npm run bench\` from performance.json; \`npm run bench -- --from docs/performance.json\` makes it again. -->`,
    `    ${record.command}`,
    machineText(record),
    METHOD,
    ...(comparisons.length > 0 ? [`![Speed beside the peers](${figure})`, summary(record)] : []),
    ...comparisons.flatMap(comparisonText),
    ...memoryText(record),
    ...of(record, 'figures').flatMap(figuresText),
    ...growthText(record),
    stallsText(record),
    ...failures(record),
    UNMEASURED,
  ]
  return `${parts.map((part) => part.trimEnd()).join('\n\n')}\n`
}

const METHOD = `Every contender is a process that prepares, warms up, and then does a slice of work when
its turn comes, so that two never compute at once. The order turns round with every round. A ratio is
ours over theirs *within a round*: of a speed more than 1 is ahead, of a time or of memory less than
1. *Median*, *worst* and *spread* (widest distance over median) are of the rounds' ratios; *best to
best* is our best round over theirs. A round in which the machine stalled is played again.`

const UNMEASURED = `## Not measured

ARM and GPUs. \`scripts/bench/gpu\` measures on a machine with a CUDA device.`

/**
 * @template {import('./cases/case.mjs').Result['kind']} K
 * @param {Record} record
 * @param {K} kind
 */
function of(record, kind) {
  return record.cases.flatMap((measured) =>
    measured.result?.kind === kind
      ? [
          {
            measured,
            result: /** @type {Extract<import('./cases/case.mjs').Result, { kind: K }>} */ (
              measured.result
            ),
          },
        ]
      : [],
  )
}

/** @param {Record} record */
function machineText({ machine, cases }) {
  const { cpu, cores, features, gigabytes, system, versions } = machine
  const dates = [...new Set(cases.map(({ date }) => date.slice(0, 10)))].toSorted()
  const commits = [...new Set(cases.map(({ commit }) => commit))]
  const rounds = [...new Set(cases.map((measured) => measured.rounds))]
  const busiest = Math.max(0, ...cases.map(({ foreign }) => foreign))
  const others =
    busiest > 0.05 ? ` Other programs used up to ${percent(busiest)} of the machine meanwhile.` : ''
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  return [
    `${plural(rounds, 'round')}, ${dates.join(' and ')}, commit ${commits.join(', ')}, on`,
    `${cores} processors of ${cpu} with ${features.join(', ') || 'none of the newer instructions'},`,
    `${gigabytes} GB, ${system}. ${named.join(', ')}.${others}`,
  ].join('\n')
}

/**
 * @param {readonly number[]} counts
 * @param {string} word
 */
function plural(counts, word) {
  return `${counts.join(' or ')} ${word}${counts.every((count) => count === 1) ? '' : 's'}`
}

/** @param {Record} record */
function summary(record) {
  return table(
    ['', 'ratio', 'worst', 'best to best', 'spread', 'aim', 'reached'],
    of(record, 'comparison').flatMap(({ measured, result }) =>
      result.pairs.map((pair) => [
        `${measured.title}: ${label(result, pair.ours)} beside ${label(result, pair.against)}`,
        ratio(pair.median),
        ratio(pair.worst),
        ratio(pair.bestToBest),
        percent(pair.spread),
        pair.aim === undefined ? '' : `${result.better === 'higher' ? '≥' : '≤'} ${pair.aim}`,
        reached(result, pair),
      ]),
    ),
  )
}

/**
 * @param {Comparison} result
 * @param {Comparison['pairs'][number]} pair
 */
function reached({ better }, { median, aim }) {
  if (aim === undefined) return ''
  return (better === 'higher' ? median >= aim : median <= aim) ? 'yes' : 'no'
}

/**
 * @param {Comparison} result
 * @param {string} key
 */
function label(result, key) {
  return result.contestants.find((contestant) => contestant.key === key)?.label ?? key
}

/** @param {{ measured: Measured, result: Comparison }} _ */
function comparisonText({ measured, result }) {
  const { unit, contestants, choice } = result
  const rows = contestants.map((contestant) => [
    contestant.label,
    number(contestant.median),
    number(contestant.best),
    percent(contestant.spread),
    contestant.peakMegabytes === undefined ? '' : number(contestant.peakMegabytes),
  ])
  const memory = contestants.some(({ peakMegabytes }) => peakMegabytes !== undefined)
  const width = memory ? 5 : 4
  const heading = ['', `${unit}, median`, 'best', 'spread', 'peak MB']
  return [
    `## ${measured.title}`,
    ...(measured.about ? [measured.about] : []),
    table(
      heading.slice(0, width),
      rows.map((row) => row.slice(0, width)),
    ),
    ...(result.note ? [result.note] : []),
    ...(choice === undefined ? [] : [choiceText(choice)]),
  ]
}

/** @param {import('./candidates.mjs').Choice} choice */
function choiceText({ chosen, tried }) {
  const all = Object.entries(tried).map(
    ([way, figure]) => `${way} ${typeof figure === 'number' ? number(figure) : `(${figure})`}`,
  )
  return `Ways to use PyTorch that were tried, in images/s: ${all.join('; ')}. The best: ${chosen}.`
}

/** @param {Record} record */
function memoryText(record) {
  const rows = of(record, 'comparison').flatMap(({ measured, result }) => {
    const peak = (/** @type {string} */ key) =>
      result.contestants.find((contestant) => contestant.key === key)?.peakMegabytes
    const [ours, notebook, best] = ['ours', 'notebook', 'best'].map(peak)
    if (ours === undefined || notebook === undefined) return []
    return [
      [
        measured.title,
        number(ours),
        number(notebook),
        ratio(ours / notebook),
        ...(best === undefined ? ['', ''] : [number(best), ratio(ours / best)]),
      ],
    ]
  })
  if (rows.length === 0) return []
  return [
    '## Peak memory',
    'The largest resident size of each process (VmHWM), in MB, Node or Python and all libraries ' +
      "included; of a DataLoader's workers nothing is counted. The aim is a ratio of at most 0.8.",
    table(
      ['', 'residual', 'PyTorch, the notebook’s way', 'ratio', 'the best PyTorch', 'ratio'],
      rows,
    ),
  ]
}

/** @param {{ measured: Measured, result: Figures }} _ */
function figuresText({ measured, result }) {
  return [
    `## ${measured.title}`,
    ...(measured.about ? [measured.about] : []),
    table(
      ['', 'value', 'aim'],
      result.figures.map(({ label, value, unit, most }) => [
        label,
        `${number(value)} ${unit}`.trim(),
        most === undefined ? '' : `≤ ${most}, ${value <= most ? 'reached' : 'not reached'}`,
      ]),
    ),
  ]
}

/** @param {Record} record */
function growthText(record) {
  const tables = of(record, 'growth').flatMap(({ measured, result }) => {
    const { x, y, points, flat } = result
    const memory = points.map(({ megabytes }) => megabytes)
    const wider = Math.max(...memory) / Math.min(...memory)
    return [
      `### ${measured.title}`,
      ...(measured.about ? [measured.about] : []),
      table(
        [x, `seconds, ${y}`, 'peak MB'],
        points.map((point) => [point.label, number(point.seconds), number(point.megabytes)]),
      ),
      ...(x === 'epochs' ? [] : [exponentText(result)]),
      ...(flat
        ? [
            `Memory: ${ratio(wider)} times as much at most${wider <= FLAT ? '' : ', which is not flat'}.`,
          ]
        : []),
    ]
  })
  return tables.length === 0 ? [] : ['## Growth', ...tables]
}

/** @param {Growth} growth */
function exponentText({ x, exponent }) {
  const verdict = exponent <= LINEAR ? 'linear or better' : 'more than linear'
  return `The time grows as the ${x} to the power of ${exponent.toFixed(2)}: ${verdict}.`
}

/** @param {Record} record */
function stallsText(record) {
  const rows = of(record, 'comparison').filter(
    ({ result }) => result.repeated.length > 0 || result.stalled !== undefined,
  )
  if (rows.length === 0) return '## Stalls\n\nNo round was played again.'
  return [
    '## Stalls',
    table(
      ['', 'rounds played again', 'why, the last time', 'left'],
      rows.map(({ measured, result }) => [
        measured.title,
        String(result.repeated.length),
        result.repeated.at(-1) ?? '',
        result.stalled ?? '',
      ]),
    ),
  ].join('\n\n')
}

/** @param {Record} record */
function failures(record) {
  const failed = record.cases.filter(({ error }) => error !== undefined)
  if (failed.length === 0) return []
  return ['## Failed', ...failed.map(({ title, error }) => `${title}: ${error}`)]
}

/**
 * @param {readonly string[]} heading
 * @param {readonly (readonly string[])[]} rows
 */
function table(heading, rows) {
  return toMarkdown({ heading, rows }).trimEnd()
}

/**
 * Three digits, or all before the point.
 *
 * @param {number} value
 */
export function number(value) {
  if (value === 0) return '0'
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  return value.toLocaleString('en', {
    minimumFractionDigits: Number.isInteger(value) ? 0 : Math.min(digits, 4),
    maximumFractionDigits: Math.min(digits, 4),
  })
}

/** @param {number} value */
function ratio(value) {
  return value.toFixed(2)
}

/** @param {number} share */
function percent(share) {
  return `${Math.round(100 * share)} %`
}
