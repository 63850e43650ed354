// Two processes that write to one run folder.

import { existsSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { Child, CLI } from '../child.mjs'
import { findCommandProblem } from '../outcomes.mjs'
import { canMount, startWithMounts } from '../private-mounts.mjs'
import { findLastCheckpointProblem } from './check-run.mjs'
import { RunCommand } from './run-command.mjs'

/** @typedef {import('../child.mjs').Ended} Ended */
/** @typedef {import('../outcomes.mjs').Outcomes} Outcomes */

/** Codes with which the second process may end. */
const REFUSED = ['E_OUT_IN_USE', 'E_OUT_EXISTS']
/** Pairs of processes that start at the same time. */
const PAIRS = 6
/** Epochs of runs that are started twice or suspended. */
const EPOCHS = 10
/** Epochs of runs that another process finds in progress. */
const LONG_EPOCHS = 60

/**
 * Ways to write to a folder, as arguments of the command.
 *
 * @type {Record<string, (run: RunCommand, out: string) => string[]>}
 */
const WRITERS = {
  train: (run, out) => run.args(out),
  'train with overwrite': (run, out) => [...run.args(out), 'overwrite=true'],
  resume: (_, out) => ['train', '--resume', out],
}

/**
 * Ways to reach a folder. Each starts a command with another path of the folder.
 *
 * @type {Record<string, (out: string, args: (path: string) => string[]) => Child>}
 */
const PLACES = {
  'same path': (out, args) => Child.node([CLI, ...args(out)]),
  'symbolic link': (out, args) => {
    const link = `${out}-link`
    if (!existsSync(link)) symlinkSync(out, link)
    return Child.node([CLI, ...args(link)])
  },
  'another mount': (out, args) => {
    const mounted = `${out}-mounted`
    mkdirSync(mounted, { recursive: true })
    const command = [process.execPath, CLI, ...args(mounted)]
    return startWithMounts(`mount --bind ${JSON.stringify(out)} "$0"`, mounted, command)
  },
  'another container': (out, args) => {
    // Process ids and the host name are others, as in a container that shares the folder.
    const isolate = ['unshare', '--pid', '--fork', '--mount-proc', '--uts', 'sh', '-c']
    const rename = 'hostname another-host && exec "$@"'
    const command = [process.execPath, CLI, ...args(out)]
    return startWithMounts('true', out, [...isolate, rename, 'sh', ...command])
  },
}

/**
 * Lets two processes write to one folder: both start at the same time, or the second finds the first
 * in progress or suspended.
 *
 * @param {import('../case.mjs').Context} context
 * @param {Outcomes} outcomes
 */
export async function attackWriters({ folder, attempts }, outcomes) {
  const run = new RunCommand(join(folder, 'writers'), { epochs: EPOCHS })
  const long = new RunCommand(join(folder, 'long'), { epochs: LONG_EPOCHS })
  for (const command of [run, long]) await command.prepare()
  for (let index = 0; index < attempts(PAIRS); index++) {
    const problem = await findPairProblem(run, run.newFolder(), 'train')
    outcomes.add('two new runs', `${index}`, problem)
    const interrupted = run.newFolder()
    await interrupt(run, interrupted)
    outcomes.add('two resumed runs', `${index}`, await findPairProblem(run, interrupted, 'resume'))
  }
  const places = canMount() ? Object.keys(PLACES) : ['same path', 'symbolic link']
  if (!canMount()) outcomes.notes.push('Writers in other mounts: this user may not mount.')
  for (const writer of Object.keys(WRITERS)) {
    const inProgress = await findSecondProblem(long, writer, 'same path', false)
    outcomes.add('second writer to a run in progress', writer, inProgress)
    for (const place of places) {
      const problem = await findSecondProblem(run, writer, place, true)
      outcomes.add(`second writer to a suspended run, ${place}`, writer, problem)
    }
  }
}

/**
 * Kills a run after its first epoch.
 *
 * @param {RunCommand} run
 * @param {string} out
 */
async function interrupt(run, out) {
  const child = await run.trainEpoch(out)
  child.kill()
  await child.ended
}

/**
 * Starts two processes at the same time. Returns why not exactly one of them trained the run.
 *
 * @param {RunCommand} run
 * @param {string} out
 * @param {keyof typeof WRITERS} writer
 */
async function findPairProblem(run, out, writer) {
  const start = () => Child.node([CLI, ...WRITERS[writer](run, out)]).close()
  const ends = await Promise.all([start(), start()])
  for (const ended of ends) {
    const problem = findCommandProblem(ended, REFUSED)
    if (problem !== undefined) return problem
  }
  const count = ends.filter(({ status }) => status === 0).length
  return count === 1
    ? findLastCheckpointProblem(out, run.undisturbed)
    : `${count} processes trained the run`
}

/**
 * Starts a process that writes to the folder of a run in progress. Returns why the process was not
 * refused, or how the run differs from an undisturbed one.
 *
 * @param {RunCommand} run
 * @param {string} writer
 * @param {string} place
 * @param {boolean} isSuspended whether the first process is suspended meanwhile
 */
async function findSecondProblem(run, writer, place, isSuspended) {
  const out = run.newFolder()
  const first = await run.trainEpoch(out)
  if (isSuspended) first.kill('SIGSTOP')
  const second = await PLACES[place](out, (path) => WRITERS[writer](run, path)).close()
  const isRunning = first.process.exitCode === null
  first.kill('SIGCONT')
  const ended = await first.ended
  return (
    findRefusalProblem(second, isRunning) ??
    findCommandProblem(ended, []) ??
    findLastCheckpointProblem(out, run.undisturbed)
  )
}

/**
 * Returns why a second writer was not refused as promised.
 *
 * @param {Ended} second
 * @param {boolean} isRunning whether the first process was still running
 */
export function findRefusalProblem(second, isRunning) {
  if (!isRunning) return 'the first process ended too early'
  if (second.status === 0) return 'two processes wrote to the folder'
  return findCommandProblem(second, ['E_OUT_IN_USE'])
}
