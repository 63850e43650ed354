import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { checkPrerequisites, findPip } from '../../scripts/setup/prerequisites.mjs'

/**
 * A machine on which the named programs answer as given and no others exist.
 *
 * @param {Record<string, string | undefined>} programs
 * @param {string} [node]
 */
function machine(programs, node = '20.19.0') {
  return {
    node,
    path: '',
    /** @param {string} command */
    run: async (command) => {
      const stdout = programs[command]
      return stdout === undefined
        ? { status: 127, stdout: '', stderr: `${command}: not found` }
        : { status: 0, stdout, stderr: '' }
    },
  }
}

const COMPLETE = { rustc: 'rustc 1.88.0 (hash)', cargo: 'cargo 1.88.0', 'c++': '', cc: '' }

test('a complete machine passes, and needs no pip when pip alone is missing', async (t) => {
  await t.notThrowsAsync(checkPrerequisites({ pip: true }, machine(COMPLETE)))
  await t.notThrowsAsync(checkPrerequisites({ pip: true }, machine(COMPLETE, '22.1.0')))
})

test('everything missing is named at once, each with the command that installs it', async (t) => {
  const { message } = await t.throwsAsync(
    checkPrerequisites({ pip: true }, machine({}, '20.9.0')),
    {
      code: 'E_PREREQUISITE',
    },
  )
  t.regex(message, /Node >= 20\.19\.0 \(20\.9\.0\): https:\/\/nodejs\.org/)
  t.regex(message, /Rust >= 1\.88\.0 \(not found\): curl .*rustup/)
  t.regex(message, /a C\+\+ compiler \(c\+\+ not found\): sudo apt-get install g\+\+/)
  t.regex(message, /pip \(not found\): sudo apt-get install python3-pip/)
})

test('pip is not named when nothing has to be downloaded', async (t) => {
  const { message } = await t.throwsAsync(checkPrerequisites({ pip: false }, machine({})))
  t.notRegex(message, /pip/)
})

test('an old Rust is told how to update, not how to install', async (t) => {
  const old = machine({ ...COMPLETE, rustc: 'rustc 1.87.0 (hash)' })
  await t.throwsAsync(checkPrerequisites({ pip: false }, old), {
    message: /Rust >= 1\.88\.0 \(1\.87\.0\): rustup update stable/,
  })
})

test('the install command is the one of this machine', async (t) => {
  const path = mkdtempSync(join(tmpdir(), 'residual-path-'))
  writeFileSync(join(path, 'dnf'), '')
  const fedora = { ...machine({ ...COMPLETE, 'c++': undefined }), path }
  await t.throwsAsync(checkPrerequisites({ pip: false }, fedora), {
    message: /dnf install gcc-c\+\+/,
  })
})

test('pip is found in whichever form it is there', async (t) => {
  t.deepEqual(await findPip(machine({ python3: 'pip 25' }).run), ['python3', '-m', 'pip'])
  t.deepEqual(await findPip(machine({ pip3: 'pip 25' }).run), ['pip3'])
  t.is(await findPip(machine({}).run), undefined)
})
