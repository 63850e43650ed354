import test from 'ava'
import { isProven } from '../../scripts/prove/case.mjs'
import { toDocument } from '../../scripts/prove/document.mjs'
import { createRandom } from '../../scripts/prove/random.mjs'
import { addProof } from '../../scripts/prove/record.mjs'

const RESULT = {
  attempts: 1000,
  upheld: 1000,
  measurements: [
    { label: 'bit flips', value: 1000 },
    { label: 'longest call', value: 0.25, unit: 's' },
  ],
  control: { fault: 'bit flips in a file without checksums', attempts: 5, detected: 5 },
}
const PROOF = {
  name: 'damaged-checkpoint',
  title: 'Damage is detected.',
  attack: 'Bits are inverted.',
  limits: 'Manipulation.',
  test: '__test__/x.test.ts',
  command: 'npm run prove -- --case damaged-checkpoint',
  date: '2026-01-02T03:04:05Z',
  commit: 'abc1234',
  seconds: 90,
}
/** @type {import('../../scripts/prove/record.mjs').GuaranteesRecord} */
const RECORD = {
  format: 1,
  command: 'npm run prove',
  machine: {
    cpu: 'Some Processor (family 6, model 207)',
    cores: 2,
    features: ['avx2', 'avx512f'],
    gigabytes: 24,
    system: 'Linux 6.1',
    versions: { residual: '0.1.0', node: '20.20.2' },
    commit: 'abc1234',
  },
  cases: [{ ...PROOF, result: RESULT }],
  golden: {},
}

test('the page contains the figures, the negative control and the command', (t) => {
  const page = toDocument(RECORD, [])
  t.true(
    page.includes(
      '| [Damage is detected.](#damaged-checkpoint) | 1,000 | 1,000 | 5 of 5 detected | ' +
        '`npm run prove -- --case damaged-checkpoint` |',
    ),
    page,
  )
  t.true(page.includes('| longest call | 0.250 s |'))
  t.true(page.includes('1.50 minutes on 2 cores'))
  t.false(page.includes('not proven'))
})

test('the page says which promise is not proven', (t) => {
  const result = {
    ...RESULT,
    upheld: 999,
    failures: ['bit 3 of byte 9: loadModel() uses the file'],
  }
  const page = toDocument({ ...RECORD, cases: [{ ...PROOF, result }] }, [])
  t.true(page.includes('**This promise is not proven.**'))
  t.true(page.includes('- bit 3 of byte 9: loadModel() uses the file'))
  const failed = toDocument(
    { ...RECORD, cases: [{ ...PROOF, error: 'not finished in 900 s' }] },
    [],
  )
  t.true(failed.includes('**Failed.** not finished in 900 s'))
  t.true(failed.includes('| failed |'))
})

test('the page says how many minutes an option added', (t) => {
  const proof = { ...PROOF, seconds: 690, addedMinutes: 9, result: RESULT }
  const page = toDocument({ ...RECORD, cases: [proof] }, [])
  t.true(page.includes('11.5 minutes (9 of them added by `--minutes`) on 2 cores'), page)
})

test('the page lists the attacks that have no published result', (t) => {
  const missing = { name: 'full-disk', title: 'A full disk costs no checkpoint.' }
  const page = toDocument(RECORD, [PROOF, missing])
  t.true(page.includes('Attacks without a published result'))
  t.true(page.includes('- `full-disk`: A full disk costs no checkpoint.'))
  t.false(page.includes('- `damaged-checkpoint`'))
})

test('a promise is proven only with attempts and a detected negative control', (t) => {
  const control = { fault: 'a fault', attempts: 2, detected: 2 }
  const proven = { attempts: 3, upheld: 3, measurements: [], control }
  t.true(isProven(proven))
  t.false(isProven({ ...proven, upheld: 2 }))
  t.false(isProven({ ...proven, attempts: 0, upheld: 0 }))
  t.false(isProven({ ...proven, control: { ...control, detected: 1 } }))
  t.false(isProven({ ...proven, control: { ...control, attempts: 0, detected: 0 } }))
})

test('a proof replaces the earlier one of its case, in the order of the page', (t) => {
  const record = { ...RECORD, cases: [PROOF, { ...PROOF, name: 'b' }] }
  addProof(record, { ...PROOF, name: 'a' }, ['a', 'damaged-checkpoint', 'b'])
  addProof(record, { ...PROOF, name: 'b', seconds: 1 }, ['a', 'damaged-checkpoint', 'b'])
  t.deepEqual(
    record.cases.map(({ name, seconds }) => [name, seconds]),
    [
      ['a', 90],
      ['damaged-checkpoint', 90],
      ['b', 1],
    ],
  )
})

test('random numbers depend only on the seed and are uniform', (t) => {
  const [a, b, c] = ['x', 'x', 'y'].map(createRandom)
  const values = Array.from({ length: 1000 }, () => a.next())
  t.deepEqual(
    values.slice(0, 9),
    Array.from({ length: 9 }, () => b.next()),
  )
  t.notDeepEqual(
    values.slice(0, 9),
    Array.from({ length: 9 }, () => c.next()),
  )
  const mean = values.reduce((sum, value) => sum + value) / values.length
  t.true(Math.abs(mean - 0.5) < 0.03, `${mean}`)
  const integers = new Set(Array.from({ length: 200 }, () => c.integer(4)))
  t.deepEqual([...integers].sort(), [0, 1, 2, 3])
})
