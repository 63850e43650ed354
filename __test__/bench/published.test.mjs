import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { toDocument } from '../../scripts/bench/document.mjs'
import { readRecord } from '../../scripts/bench/record.mjs'

const docs = (/** @type {string} */ name) =>
  fileURLToPath(new URL(`../../docs/${name}`, import.meta.url))

// Both files come from one run of the benchmark.
const exists = existsSync(docs('performance.md')) || existsSync(docs('performance.json'))

;(exists ? test : test.skip)(
  'docs/performance.md is generated from docs/performance.json and docs/ablation.json',
  async (t) => {
    const page = await readFile(docs('performance.md'), 'utf8')
    const record = await readRecord(docs('performance.json'))
    const ablation = await readRecord(docs('ablation.json'))
    t.is(page, toDocument(record, 'performance.svg', ablation))
    t.notRegex(
      JSON.stringify([record, ablation]),
      /"\/|\/home\/|\/root\/|\/tmp\//,
      'contains a path of the machine',
    )
  },
)
