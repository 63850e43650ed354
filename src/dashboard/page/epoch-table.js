import { element } from './dom.js'
import { formatCount, formatDecimal, formatPercent } from './format.js'

/** Maximum number of rows; metrics.csv contains all epochs. */
const MAX_ROWS = 500

/** @type {readonly [heading: string, column: string, format: (value: number) => string][]} */
const COLUMNS = [
  ['epoch', 'epoch', formatCount],
  ['step', 'step', formatCount],
  ['training loss', 'trainLoss', formatDecimal],
  ['training accuracy', 'trainAccuracy', formatPercent],
  ['validation loss', 'valLoss', formatDecimal],
  ['validation accuracy', 'valAccuracy', formatPercent],
  ['learning rate', 'lr', formatDecimal],
  ['images/s', 'rate', formatCount],
]

/**
 * Renders the epochs of a run as a table, newest first.
 *
 * @param {import('./series.js').Series} epochs
 */
export function epochTable(epochs) {
  const headings = COLUMNS.map(([heading]) => element('th', { scope: 'col' }, heading))
  const rows = []
  for (let row = epochs.length - 1; row >= 0 && rows.length < MAX_ROWS; row--) {
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
