import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { withLock } from '../../src/download/file-lock.js'
import { run } from '../setup/command.mjs'
import { SetupError } from '../setup/error.mjs'

/**
 * Returns the path of Python in a virtual environment, which is created on first use.
 *
 * @param {object} environment
 * @param {string} environment.title name in messages
 * @param {string} environment.folder
 * @param {string} environment.requirements contents of a requirements file that lists all dependencies
 * @param {readonly string[]} [environment.key] further values; a change installs the environment again
 * @param {readonly string[]} environment.imports modules that must be importable afterwards
 * @param {() => Promise<void>} [environment.prepare] runs after the installation
 * @returns {Promise<string>}
 * @throws {SetupError} with a hint if the environment cannot be created
 */
export async function pythonEnvironment({
  title,
  folder,
  requirements,
  key = [],
  imports,
  prepare,
}) {
  const python = join(folder, 'bin', 'python')
  // Written last, so that an interrupted installation is not considered complete.
  const stamp = join(folder, 'oracle.txt')
  const content = [requirements, ...key].join('\n')
  const isReady = async () => (await readFile(stamp, 'utf8').catch(() => '')) === content
  if (await isReady()) return python
  await mkdir(folder, { recursive: true })
  await withLock(join(folder, 'oracle.lock'), async () => {
    if (await isReady()) return
    await rm(stamp, { force: true })
    process.stderr.write(`oracle: creating a Python environment with ${title} in ${folder}\n`)
    await runOrFail('python3', ['-m', 'venv', folder], 'sudo apt-get install python3-venv')
    const list = join(folder, 'requirements.txt')
    await writeFile(list, requirements)
    await runOrFail(
      python,
      ['-m', 'pip', 'install', '--disable-pip-version-check', '--no-deps', '--requirement', list],
      'see the output of pip above; check the network and the configured package index',
    )
    await prepare?.()
    await runOrFail(
      python,
      ['-c', `import ${imports.join(', ')}`],
      `remove ${folder} and run the same command again`,
    )
    await writeFile(stamp, content)
  })
  return python
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {string} hint shown if the command fails
 */
export async function runOrFail(command, args, hint) {
  const { status } = await run(command, args, { output: 'show' })
  if (status === 0) return
  throw new SetupError('E_PREREQUISITE', `${command} ${args[0]} ${args[1]} failed`, { hint })
}
