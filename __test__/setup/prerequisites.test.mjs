import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { checkPrerequisites, findPip } from '../../scripts/setup/prerequisites.mjs'

/**
 * Returns a machine that has only the given programs.
 *
 * @param {Record<string, string | undefined>} programs output by name
 * @param {string} [node]
 */
function machine(programs, node = '20.19.0') {
  return {
    node,
    path: '',
    os: 'linux',
    /** @param {string} command */
    run: async (command) => {
      const stdout = programs[command]
      return stdout === undefined
        ? { status: 127, stdout: '', stderr: `${command}: not found` }
        : { status: 0, stdout, stderr: '' }
    },
  }
}

const COMPLETE = { rustc: 'rustc 1.89.0 (hash)', cargo: 'cargo 1.89.0', 'c++': '', cc: '' }

test('accepts a machine on which only pip is missing', async (t) => {
  await t.notThrowsAsync(checkPrerequisites({ pip: true }, machine(COMPLETE)))
  await t.notThrowsAsync(checkPrerequisites({ pip: true }, machine(COMPLETE, '22.1.0')))
})

test('reports all missing tools in one error, each with its install command', async (t) => {
  const { message } = await t.throwsAsync(
    checkPrerequisites({ pip: true }, machine({}, '20.9.0')),
    {
      code: 'E_PREREQUISITE',
    },
  )
  t.regex(message, /Node >= 20\.19\.0 \(20\.9\.0\): https:\/\/nodejs\.org/)
  t.regex(message, /Rust >= 1\.89\.0 \(not found\): curl .*rustup/)
  t.regex(message, /a C\+\+ compiler \(c\+\+ not found\): sudo apt-get install g\+\+/)
  t.regex(message, /pip \(not found\): sudo apt-get install python3-pip/)
})

test('accepts Windows without a C++ compiler on the PATH', async (t) => {
  const windows = { ...machine({ ...COMPLETE, 'c++': undefined, cc: undefined }), os: 'win32' }
  await t.notThrowsAsync(checkPrerequisites({ pip: true }, windows))
})

test('does not require pip if nothing has to be downloaded', async (t) => {
  const { message } = await t.throwsAsync(checkPrerequisites({ pip: false }, machine({})))
  t.notRegex(message, /pip/)
})

test('suggests an update for an old Rust', async (t) => {
  const old = machine({ ...COMPLETE, rustc: 'rustc 1.88.0 (hash)' })
  await t.throwsAsync(checkPrerequisites({ pip: false }, old), {
    message: /Rust >= 1\.89\.0 \(1\.88\.0\): rustup update stable/,
  })
})

test('selects the install command of the package manager on the PATH', async (t) => {
  const path = mkdtempSync(join(tmpdir(), 'residual-path-'))
  writeFileSync(join(path, 'dnf'), '')
  const fedora = { ...machine({ ...COMPLETE, 'c++': undefined }), path }
  await t.throwsAsync(checkPrerequisites({ pip: false }, fedora), {
    message: /dnf install gcc-c\+\+/,
  })
})

test('finds pip as a module or as a program', async (t) => {
  t.deepEqual(await findPip(machine({ python3: 'pip 25' }).run), ['python3', '-m', 'pip'])
  t.deepEqual(await findPip(machine({ pip3: 'pip 25' }).run), ['pip3'])
  t.is(await findPip(machine({}).run), undefined)
})
