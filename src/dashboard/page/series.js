/**
 * Rows of numbers that grow at their end, each column in one piece of memory. What is not known is
 * NaN. Rows are by rising step: a row of an earlier step takes the place of what was there from that
 * step on, as in a run that was gone on with.
 */
export class Series {
  #capacity = 1024
  /** @type {Record<string, Float64Array>} */
  #columns

  /** How many rows there are. */
  length = 0

  /** @param {readonly string[]} names of the columns, `step` among them */
  constructor(names) {
    this.#columns = Object.fromEntries(
      names.map((name) => [name, new Float64Array(this.#capacity)]),
    )
  }

  /**
   * The numbers of a column; good until the next `append`.
   *
   * @param {string} name
   */
  column(name) {
    return /** @type {Float64Array} */ (this.#columns[name]).subarray(0, this.length)
  }

  /**
   * The last number of a column that is known.
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

  /** @param {Record<string, (number | null)[]>} rows by columns, as they come over the wire */
  append(rows) {
    const steps = rows.step ?? []
    this.#reserve(this.length + steps.length)
    const names = Object.keys(this.#columns)
    const step = /** @type {Float64Array} */ (this.#columns.step)
    for (const [index, at] of steps.entries()) {
      if (at === null) continue
      while (this.length > 0 && /** @type {number} */ (step[this.length - 1]) >= at) this.length--
      for (const name of names) {
        const column = /** @type {Float64Array} */ (this.#columns[name])
        column[this.length] = rows[name]?.[index] ?? Number.NaN
      }
      this.length++
    }
  }

  /** @param {number} rows */
  #reserve(rows) {
    if (rows <= this.#capacity) return
    while (this.#capacity < rows) this.#capacity *= 2
    for (const [name, column] of Object.entries(this.#columns)) {
      const larger = new Float64Array(this.#capacity)
      larger.set(column)
      this.#columns[name] = larger
    }
  }
}
