// The files of docs/ that a benchmark writes.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ROOT } from '../setup.mjs'
import { toDocument } from './document.mjs'
import { renderFigure } from './figure.mjs'
import { readRecord, writeRecord } from './record.mjs'

/** @typedef {import('./record.mjs').BenchRecord} BenchRecord */

const DOCS = join(ROOT, 'docs')

/** Name of the page's figure. */
export const FIGURE = 'performance.svg'

/** The record of `npm run bench`. */
export const PERFORMANCE_FILE = join(DOCS, 'performance.json')

/** The record of `scripts/bench/ablation.mjs`. */
export const ABLATION_FILE = join(DOCS, 'ablation.json')

/**
 * Writes docs/performance.md with its figure and its record.
 *
 * @param {BenchRecord} record
 */
export async function writeDocument(record) {
  const ablation = await readRecord(ABLATION_FILE)
  await writeFile(join(DOCS, FIGURE), await renderFigure(record))
  await writeFile(join(DOCS, 'performance.md'), toDocument(record, FIGURE, ablation))
  await writeRecord(PERFORMANCE_FILE, record)
}
