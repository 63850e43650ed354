import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { isProven } from '../../scripts/prove/case.mjs'
import { CASES } from '../../scripts/prove/cases/all.mjs'
import { toDocument } from '../../scripts/prove/document.mjs'
import { GUARANTEES_FILE, readRecord } from '../../scripts/prove/record.mjs'
import { ROOT } from '../../scripts/setup.mjs'

const PAGE = fileURLToPath(new URL('../../docs/guarantees.md', import.meta.url))

// Both files come from one run of the proofs.
const ifPublished = existsSync(PAGE) || existsSync(GUARANTEES_FILE) ? test : test.skip

ifPublished('docs/guarantees.md is generated from docs/guarantees.json', async (t) => {
  const record = await readRecord(GUARANTEES_FILE)
  t.is(await readFile(PAGE, 'utf8'), toDocument(record, CASES))
  t.notRegex(JSON.stringify(record), /"\/|\/home\/|\/root\/|\/tmp\//, 'contains a local path')
})

ifPublished('every case is published and proven', async (t) => {
  const { cases } = await readRecord(GUARANTEES_FILE)
  t.deepEqual(
    cases.map(({ name }) => name),
    CASES.map(({ name }) => name),
  )
  for (const { name, result } of cases) t.true(result !== undefined && isProven(result), name)
})

test('every case has a name that is an anchor, and an existing short form', (t) => {
  for (const { name, title, test: shortForm } of CASES) {
    t.regex(name, /^[a-z]+(-[a-z]+)*$/)
    t.regex(title, /^[A-Z].*\.$/)
    t.true(existsSync(`${ROOT}/${shortForm}`), shortForm)
  }
})
