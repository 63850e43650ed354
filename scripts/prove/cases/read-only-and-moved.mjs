import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { programPath } from '../child.mjs'
import { findCommandProblem, Outcomes } from '../outcomes.mjs'
import { canMount, startWithMounts } from '../private-mounts.mjs'
import { findLastCheckpointProblem } from '../run/check-run.mjs'
import { RunCommand } from '../run/run-command.mjs'
import { attackWriters, findRefusalProblem } from '../run/two-writers.mjs'
import { writeIdxData } from '../tiny-data.mjs'

/** @typedef {import('../case.mjs').Context} Context */

/** Limits of the size of a file, in bytes. A checkpoint of the runs has 611,000. */
const FILE_LIMITS = [0, 1, 200, 1000, 3000, 4096, 5000, 16_384, 100_000, 600_000, 611_000, 700_000]
const EPOCHS = [1, 2, 3]

/** @type {import('../case.mjs').Case} */
export const readOnlyAndMoved = {
  name: 'read-only-and-moved',
  title: 'A run folder that disappears or cannot be written ends the run without losing its files.',
  attack:
    'While a run trains, its folder is removed, moved, replaced by a file or by another folder, ' +
    'or becomes read-only (also for root), or its checkpoints or metrics are removed. The run must ' +
    'complete, or end with `E_WRITE` and the path of the file, without writing to a folder of ' +
    'others; where its files are left, also at another place, the resumed run must end with the ' +
    'tensors of the undisturbed run. The size of files is limited (`RLIMIT_FSIZE`, as a quota) to ' +
    'values from 0 to that of a checkpoint. Two processes train to one folder, or resume one run, ' +
    'at the same time: one must train the run, the other must end with `E_OUT_IN_USE` or ' +
    '`E_OUT_EXISTS`. A process that trains to the folder of a run in progress or of a suspended ' +
    'run, overwrites or resumes it, by another path, by another mount, or from another container ' +
    'with its own process ids and host name, must end with `E_OUT_IN_USE`.',
  limits:
    'Network file systems without locks cannot detect a second writer. Files that are removed by ' +
    'others are not restored.',
  test: '__test__/cli/failure.test.ts',
  prove,
}

/** @param {Context} context */
async function prove(context) {
  const outcomes = new Outcomes(context.log)
  await disturbRuns(context, outcomes)
  const run = new RunCommand(join(context.folder, 'disturb'))
  await run.prepare()
  const limits = FILE_LIMITS.slice(0, context.attempts(20 * FILE_LIMITS.length))
  for (const limit of limits) {
    const out = run.newFolder()
    const ended = await run.train(['prlimit', `--fsize=${limit}`], out).ended
    const problem = await run.findProblem(out, ended, ['E_WRITE'])
    outcomes.add('limited size of files', `${limit} bytes`, problem)
  }
  await attackWriters(context, outcomes)
  return outcomes.toResult(await runControl(context, run))
}

/**
 * @param {Context} context
 * @param {Outcomes} outcomes
 */
async function disturbRuns({ folder, attempts }, outcomes) {
  if (!canMount()) {
    outcomes.notes.push('Disturbed run folders: this user may not mount file systems.')
    return
  }
  const disk = join(folder, 'disturb')
  await mkdir(disk)
  const data = writeIdxData(join(folder, 'images'))
  const program = [process.execPath, programPath('disturb-run.mjs'), disk, data]
  const child = startWithMounts('mount -t tmpfs none "$0"', disk, program, { timeoutSeconds: 800 })
  for (const name of await child.request({ call: 'list' })) {
    for (const epoch of EPOCHS.slice(0, attempts(20 * EPOCHS.length))) {
      const { error, problem } = await child.request({ call: 'disturb', name, epoch })
      outcomes.add(name, `epoch ${epoch}`, problem ?? findErrorProblem(error))
    }
  }
  const { error, problem } = await child.request({ call: 'read-only' })
  outcomes.add('read-only from the start', 'start', problem ?? findErrorProblem(error))
  await child.close()
}

/** @param {{ code?: string, message: string, file?: string } | undefined} error */
function findErrorProblem(error) {
  if (error === undefined) return undefined
  if (error.code !== 'E_WRITE') return `${error.code}: ${error.message}`
  return error.file !== undefined && error.message.includes(error.file)
    ? undefined
    : `the file is not named: ${error.message}`
}

/**
 * Applies the comparisons to a run with another seed, and to an error of another kind.
 *
 * @param {Context} context
 * @param {RunCommand} run
 * @returns {Promise<import('../case.mjs').Control>}
 */
async function runControl({ folder }, run) {
  const other = new RunCommand(join(folder, 'other'), { seed: 2 })
  await other.prepare()
  const out = run.newFolder()
  const ended = await run.train(['prlimit', '--fsize=4096'], out).ended
  const problems = [
    findLastCheckpointProblem(other.undisturbed, run.undisturbed),
    findCommandProblem(ended, ['E_OUT_IN_USE']),
    findRefusalProblem({ status: 0, signal: null, stdout: '', stderr: '' }, true),
    findRefusalProblem(ended, true),
  ]
  return {
    fault: 'a run with another seed, an error with another code, and a second writer that succeeds',
    attempts: problems.length,
    detected: problems.filter((problem) => problem !== undefined).length,
  }
}
