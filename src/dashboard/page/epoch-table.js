import { element } from './dom.js'
import { count, digits, percent } from './format.js'

/** More rows than anybody reads on a page; metrics.csv has them all. */
const MOST_ROWS = 500

/** @type {readonly [heading: string, column: string, format: (value: number) => string][]} */
const COLUMNS = [
  ['epoch', 'epoch', count],
  ['step', 'step', count],
  ['training loss', 'trainLoss', digits],
  ['training accuracy', 'trainAccuracy', percent],
  ['validation loss', 'valLoss', digits],
  ['validation accuracy', 'valAccuracy', percent],
  ['learning rate', 'lr', digits],
  ['images a second', 'rate', count],
]

/**
 * The epochs of a run as a table, the newest first.
 *
 * @param {import('./series.js').Series} epochs
 */
export function epochTable(epochs) {
  const headings = COLUMNS.map(([heading]) => element('th', { scope: 'col' }, heading))
  const rows = []
  for (let row = epochs.length - 1; row >= 0 && rows.length < MOST_ROWS; row--) {
    const cells = COLUMNS.map(([, column, format]) => {
      const value = /** @type {number} */ (epochs.column(column)[row])
      return element('td', {}, Number.isNaN(value) ? '' : format(value))
    })
    rows.push(element('tr', {}, ...cells))
  }
  return element(
    'table',
    {},
    element('thead', {}, element('tr', {}, ...headings)),
    element('tbody', {}, ...rows),
  )
}
