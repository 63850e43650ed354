import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Child, programPath } from '../child.mjs'
import { findCommandProblem, Outcomes } from '../outcomes.mjs'
import { canMount, startWithMounts } from '../private-mounts.mjs'
import { writeIdxData } from '../tiny-data.mjs'

/** @typedef {import('../case.mjs').Context} Context */

const PAGE = 4096
/** Free space at the start of the attacked run, in pages. It writes about 460. */
const SPARE_AT_START = [
  ...[0, 1, 2, 3, 4, 5, 6, 8, 12, 40, 100, 140, 150, 151, 152, 153, 154, 155, 156, 158, 160],
  ...[200, 260, 300, 302, 304, 306, 308, 310, 312, 320, 380, 440, 450, 455, 460, 465, 470],
]
/** Free space after an epoch, in pages. */
const SPARE_LATER = [0, 1, 2, 3, 60, 149, 151, 153, 300]
/** Files that can be created before the file system has no more inodes. */
const SPARE_FILES = Array.from({ length: 14 }, (_, index) => index)
const WRITERS = ['report', 'safetensors', 'onnx', 'findLr']
const WRITER_PAGES = [0, 1, 2, 6, 12, 20]
const COMMANDS = [
  ['--help'],
  ['recipes'],
  ['inspect', 'resnet18'],
  ['verify', 'RUN'],
  ['verify', 'RUN', '--json'],
  ['eval', 'RUN'],
  ['eval', 'RUN', '--json'],
]

/** Without an attempt, the case is not proven. */
const NO_CONTROL = { fault: 'none', attempts: 0, detected: 0 }

/** @type {import('../case.mjs').Case} */
export const fullDisk = {
  name: 'full-disk',
  title: 'A full disk costs no checkpoint: the error names the file, and the run can be resumed.',
  attack:
    'Runs write to a file system in memory that becomes full before the start or after an epoch, ' +
    'with the free space swept over every file that a run writes, or that has no more inodes. ' +
    'Training must end with `E_WRITE` and the path of the file; every reported checkpoint must be ' +
    'there and intact. Then space is freed: the resumed run must end with the tensors of the ' +
    'undisturbed run, without temporary files. Reports, exports and learning rate tests are ' +
    'written to the full disk in the same way, and stdout of commands is a file on it.',
  limits:
    'Steps after the last checkpoint are trained again. A report that cannot be written completely ' +
    'leaves the figures that were written.',
  test: '__test__/cli/endings.test.ts',
  prove,
}

/** @param {Context} context */
async function prove({ folder, attempts, log }) {
  const outcomes = new Outcomes(log)
  if (!canMount()) {
    outcomes.notes.push('File systems of a limited size: this user may not mount any.')
    return outcomes.toResult(NO_CONTROL)
  }
  const disk = join(folder, 'disk')
  await mkdir(disk)
  const program = [process.execPath, programPath('fill-disk.mjs'), disk]
  const mount = 'mount -t tmpfs -o size=8m,nr_inodes=120 none "$0"'
  const data = writeIdxData(join(folder, 'data'))
  const child = startWithMounts(mount, disk, [...program, data], { timeoutSeconds: 800 })
  await child.request({ call: 'prepare' })
  await attackRuns(child, outcomes, attempts)
  for (const writer of WRITERS) {
    for (const pages of WRITER_PAGES.slice(0, attempts(20 * WRITER_PAGES.length))) {
      const outcome = await child.request({ call: 'writer', writer, spare: pages * PAGE })
      outcomes.add(`full disk, ${writer}`, `${pages} pages free`, findProblem(outcome, disk))
    }
  }
  for (const args of COMMANDS) {
    const ended = await child.request({ call: 'stdout', args })
    const isReported = ended.status === 1 && ended.stderr.includes('stdout')
    const problem = findCommandProblem(ended, ['E_WRITE'])
    outcomes.add('full disk, stdout', args.join(' '), problem ?? (isReported ? undefined : 'lost'))
  }
  const control = await attackUnsafe(child, disk)
  await child.close()
  return outcomes.toResult(control)
}

/**
 * Trains with every amount of free space.
 *
 * @param {Child} child
 * @param {Outcomes} outcomes
 * @param {Context['attempts']} attempts
 */
async function attackRuns(child, outcomes, attempts) {
  const bytes = (/** @type {number} */ epoch) => (/** @type {number} */ pages) => ({
    ...{ epoch, spare: pages * PAGE, unit: 'bytes' },
  })
  const files = (/** @type {number} */ spare) => ({ epoch: 0, spare, unit: 'files' })
  const requests = [
    ...SPARE_AT_START.map(bytes(0)),
    ...SPARE_LATER.map(bytes(1)),
    ...SPARE_LATER.map(bytes(2)),
    ...SPARE_FILES.map(files),
  ]
  const stride = Math.max(1, Math.floor(requests.length / attempts(requests.length)))
  for (const [index, request] of requests.entries()) {
    if (index % stride !== 0) continue
    const { epoch, spare, unit } = request
    const name = `${spare} ${unit} free ${epoch === 0 ? 'at the start' : `after epoch ${epoch}`}`
    const outcome = await child.request({ call: 'run', ...request })
    outcomes.add(`full disk, training (${unit})`, name, findProblem(outcome, ''))
  }
}

/**
 * @typedef {object} Outcome
 * @property {{ code?: string, message: string, file?: string }} [error]
 * @property {string} [problem]
 */

/**
 * Returns why a full disk was not handled as promised. Without an error, the space was sufficient.
 *
 * @param {Outcome} outcome
 * @param {string} folder folder that contains the named file
 */
function findProblem({ error, problem }, folder) {
  if (problem !== undefined) return problem
  if (error === undefined) return undefined
  if (error.code !== 'E_WRITE') return `${error.code}: ${error.message}`
  return error.file?.includes(folder) && error.message.includes(error.file)
    ? undefined
    : `the file is not named: ${error.message}`
}

/**
 * Applies the comparison to runs whose last checkpoint is truncated, removed or trained with another
 * seed.
 *
 * @param {Child} child
 * @param {string} disk
 * @returns {Promise<import('../case.mjs').Control>}
 */
async function attackUnsafe(child, disk) {
  const faults = ['truncated', 'removed', 'other']
  const problems = []
  for (const fault of faults) {
    const outcome = await child.request({ call: 'unsafe', fault })
    problems.push(findProblem(outcome, disk))
  }
  return {
    fault: 'a checkpoint that is truncated or removed, and a run with another seed',
    attempts: faults.length,
    detected: problems.filter((problem) => problem !== undefined).length,
  }
}
