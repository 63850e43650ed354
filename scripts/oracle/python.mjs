import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../setup/command.mjs'
import { SetupError } from '../setup/error.mjs'
import { withLock } from '../setup/lock.mjs'

/**
 * A Python environment, made when it is first asked for, and its python.
 *
 * @param {object} wanted
 * @param {string} wanted.what for people
 * @param {string} wanted.folder
 * @param {string} wanted.requirements a complete list: it is installed without dependencies
 * @param {readonly string[]} [wanted.also] what else makes it a different environment
 * @param {readonly string[]} wanted.imports what must be there in the end
 * @param {() => Promise<void>} [wanted.prepare] after the installation
 * @returns {Promise<string>}
 * @throws {SetupError} naming what is missing and how to get it
 */
export async function pythonWith({ what, folder, requirements, also = [], imports, prepare }) {
  const python = join(folder, 'bin', 'python')
  // Written last, so that an interrupted installation is never taken for a finished one.
  const stamp = join(folder, 'oracle.txt')
  const wanted = [requirements, ...also].join('\n')
  const isReady = async () => (await readFile(stamp, 'utf8').catch(() => '')) === wanted
  if (await isReady()) return python
  await mkdir(folder, { recursive: true })
  await withLock(join(folder, 'oracle.lock'), async () => {
    if (await isReady()) return
    await rm(stamp, { force: true })
    process.stderr.write(`oracle: making a Python environment with ${what} in ${folder}\n`)
    await must('python3', ['-m', 'venv', folder], 'sudo apt-get install python3-venv')
    const list = join(folder, 'requirements.txt')
    await writeFile(list, requirements)
    await must(
      python,
      ['-m', 'pip', 'install', '--disable-pip-version-check', '--no-deps', '--requirement', list],
      'pip says above what it could not fetch; check the network and the index it is set to',
    )
    await prepare?.()
    await must(
      python,
      ['-c', `import ${imports.join(', ')}`],
      `remove ${folder} and run the same command again`,
    )
    await writeFile(stamp, wanted)
  })
  return python
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {string} hint what to do when it fails
 */
export async function must(command, args, hint) {
  const { status } = await run(command, args, { output: 'show' })
  if (status === 0) return
  throw new SetupError('E_PREREQUISITE', `${command} ${args[0]} ${args[1]} failed`, { hint })
}
