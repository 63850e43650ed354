import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { toDocument } from '../../scripts/bench/document.mjs'
import { readRecord } from '../../scripts/bench/record.mjs'

const docs = (/** @type {string} */ name) =>
  fileURLToPath(new URL(`../../docs/${name}`, import.meta.url))

// Both come from one run of the bench, or neither is there.
const measured = existsSync(docs('performance.md')) || existsSync(docs('performance.json'))

;(measured ? test : test.skip)(
  'docs/performance.md says what docs/performance.json holds, and no more',
  async (t) => {
    const page = await readFile(docs('performance.md'), 'utf8')
    const record = await readRecord(docs('performance.json'))
    t.is(page, toDocument(record, 'performance.svg'))
    t.notRegex(JSON.stringify(record), /"\/|\/home\/|\/root\/|\/tmp\//, 'a folder of the machine')
  },
)
