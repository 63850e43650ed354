/**
 * A growing table of numbers, stored by column. Missing values are NaN. Rows are sorted by step: a
 * new row replaces all rows of the same and of later steps, as when a run was resumed at an earlier
 * step.
 */
export class Series {
  #capacity = 1024
  /** @type {Record<string, Float64Array>} */
  #columns

  /** Number of rows. */
  length = 0

  /** @param {readonly string[]} names of the columns, including `step` */
  constructor(names) {
    this.#columns = Object.fromEntries(
      names.map((name) => [name, new Float64Array(this.#capacity)]),
    )
  }

  /**
   * Returns a view of a column, valid until the next `append`.
   *
   * @param {string} name
   */
  column(name) {
    return /** @type {Float64Array} */ (this.#columns[name]).subarray(0, this.length)
  }

  /**
   * Returns the last known value of a column.
   *
   * @param {string} name
   * @returns {number | undefined}
   */
  last(name) {
    return this.column(name).findLast((value) => !Number.isNaN(value))
  }

  clear() {
    this.length = 0
  }

  /** @param {Record<string, (number | null)[]>} rows by column, as received from the server */
  append(rows) {
    const steps = rows.step ?? []
    this.#reserve(this.length + steps.length)
    const names = Object.keys(this.#columns)
    const stepColumn = /** @type {Float64Array} */ (this.#columns.step)
    for (const [index, step] of steps.entries()) {
      if (step === null) continue
      while (this.length > 0 && /** @type {number} */ (stepColumn[this.length - 1]) >= step) {
        this.length--
      }
      for (const name of names) {
        const column = /** @type {Float64Array} */ (this.#columns[name])
        column[this.length] = rows[name]?.[index] ?? Number.NaN
      }
      this.length++
    }
  }

  /** @param {number} numRows */
  #reserve(numRows) {
    if (numRows <= this.#capacity) return
    while (this.#capacity < numRows) this.#capacity *= 2
    for (const [name, column] of Object.entries(this.#columns)) {
      const larger = new Float64Array(this.#capacity)
      larger.set(column)
      this.#columns[name] = larger
    }
  }
}
