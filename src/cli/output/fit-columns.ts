/** Space between columns. */
export const GAP = '  '

/** A cell of a row; cells of the lowest priority are dropped first when the row is too wide. */
export interface Cell {
  text: string
  priority: number
}

/**
 * Drops cells of the lowest priority until the row fits into a width. The last cell is never
 * dropped.
 *
 * @param width of a cell in columns
 */
export function fitColumns<C extends Pick<Cell, 'priority'>>(
  cells: readonly C[],
  maxWidth: number,
  width: (cell: C) => number,
): readonly C[] {
  const needed = cells.reduce((sum, cell) => sum + width(cell) + GAP.length, -GAP.length)
  if (needed <= maxWidth || cells.length <= 1) return cells
  const lowest = cells.reduce((least, cell) => (cell.priority < least.priority ? cell : least))
  return fitColumns(
    cells.filter((cell) => cell !== lowest),
    maxWidth,
    width,
  )
}
