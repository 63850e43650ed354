import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { ROOT } from '../../setup.mjs'
import { residual } from '../child.mjs'
import { findCommandProblem, findExitProblem, Outcomes } from '../outcomes.mjs'
import { canMount, startWithMounts } from '../private-mounts.mjs'
import { findLastCheckpointProblem } from '../run/check-run.mjs'
import { RunCommand } from '../run/run-command.mjs'

/** @typedef {import('../case.mjs').Context} Context */

const DESCRIPTORS = [32, 40, 64]
/** Limits of the address space in MB. Node itself needs about 1,000. */
const ADDRESS_SPACE = [1050, 1200, 1500, 1600, 1650, 1700, 1750, 1800, 1900, 2000, 2500, 4000]
const GROUP_MEGABYTES = [64, 128, 256, 512]
const SIGNALS = /** @type {const} */ ([
  ['SIGHUP', 129],
  ['SIGINT', 130],
  ['SIGTERM', 143],
])
const STOPS = 5
/** Offsets of the times of files from now, in seconds. */
const TIME_OFFSETS = [-3e8, -86_400, 3600, 3e8]
const MEMORY_CODES = ['E_MEMORY', 'E_LIBTORCH', 'E_TORCH']
/** A user id without an entry in /etc/passwd. */
const UNKNOWN_USER = 54_321

/** @type {import('../case.mjs').Case} */
export const scarceResources = {
  name: 'scarce-resources',
  title: 'With scarce resources a run trains the same network or ends with an error that says why.',
  attack:
    'Runs train with 32 open files, address spaces from 1 to 4 GB, a memory limit of a control ' +
    'group, without /dev/shm, without HOME, as a user without an entry in /etc/passwd, with ' +
    '`LANG=C` and names that are not ASCII, without their working directory, with one processor, ' +
    'and with files whose times are years in the past or the future, as after a clock was set ' +
    'back. Runs are suspended by SIGSTOP, lose their parent and the reader of their output, and ' +
    'get SIGHUP, SIGINT and SIGTERM. Each must end with the tensors of the undisturbed run, at ' +
    'once or after it is resumed; an error must have a code. No run may crash.',
  limits:
    'The kernel kills a process that exceeds the memory limit of its control group, after which ' +
    'the run is resumed. Node itself crashes below about 1 GB of address space.',
  test: '__test__/cli/endings.test.ts',
  prove,
}

/** @param {Context} context */
async function prove(context) {
  const outcomes = new Outcomes(context.log)
  const run = new RunCommand(context.folder)
  await run.prepare()
  await limitProcess(context, run, outcomes)
  await limitGroup(context, run, outcomes)
  await changeEnvironment(context, run, outcomes)
  await changeMounts(context, run, outcomes)
  await sendSignals(context, run, outcomes)
  await changeTimes(run, outcomes)
  return outcomes.toResult(await runControl(context, run))
}

/**
 * @param {Context} context
 * @param {RunCommand} run
 * @param {Outcomes} outcomes
 */
async function limitProcess({ attempts }, run, outcomes) {
  /**
   * @param {string} group
   * @param {string} name
   * @param {string[]} prefix
   * @param {readonly string[]} [codes]
   */
  const attack = async (group, name, prefix, codes = []) => {
    const out = run.newFolder()
    const ended = await run.train(prefix, out).ended
    outcomes.add(group, name, await run.findProblem(out, ended, codes))
  }
  for (const count of DESCRIPTORS) {
    await attack('limited open files', `${count}`, ['prlimit', `--nofile=${count}`])
  }
  for (const megabytes of ADDRESS_SPACE.slice(0, attempts(20 * ADDRESS_SPACE.length))) {
    const prefix = ['prlimit', `--as=${megabytes * 1e6}`]
    await attack('limited address space', `${megabytes} MB`, prefix, MEMORY_CODES)
  }
  await attack('limited stack', '256 KB', ['prlimit', '--stack=262144'])
  await attack('one processor', '0', ['taskset', '1'])
  await attack('lowest priority', '19', ['nice', '-n', '19'])
}

/**
 * Trains in control groups with a memory limit. The kernel may kill the run, but it must be
 * resumable.
 *
 * @param {Context} context
 * @param {RunCommand} run
 * @param {Outcomes} outcomes
 */
async function limitGroup({ attempts }, run, outcomes) {
  const group = `/sys/fs/cgroup/memory/residual-prove-${process.pid}`
  try {
    mkdirSync(group)
    readdirSync(group)
  } catch {
    outcomes.notes.push(
      'A memory limit of a control group: this needs cgroup v1, and the right to create a group.',
    )
    return
  }
  try {
    for (const megabytes of GROUP_MEGABYTES.slice(0, attempts(20 * GROUP_MEGABYTES.length))) {
      writeFileSync(join(group, 'memory.limit_in_bytes'), `${megabytes}M`)
      const out = run.newFolder()
      const enter = `echo $$ > ${group}/cgroup.procs && exec "$@"`
      const ended = await run.train(['sh', '-c', enter, 'sh'], out).ended
      const isKilled = ended.signal === 'SIGKILL'
      const problem = isKilled
        ? await run.findResumeProblem(out)
        : await run.findProblem(out, ended, MEMORY_CODES)
      outcomes.add('memory limit of a control group', `${megabytes} MB`, problem)
    }
  } finally {
    await setTimeout(200)
    rmdirSync(group)
  }
}

/**
 * @param {Context} context
 * @param {RunCommand} run
 * @param {Outcomes} outcomes
 */
async function changeEnvironment({ folder }, run, outcomes) {
  const environments = /** @type {const} */ ([
    ['LANG=C', ['env', 'LANG=C', 'LC_ALL=C']],
    ['an unknown locale', ['env', 'LANG=xx_XX.UTF-9', 'LC_ALL=xx_XX.UTF-9']],
    ['no HOME', ['env', '-u', 'HOME']],
    ['a HOME that does not exist', ['env', 'HOME=/nonexistent']],
    ['a TMPDIR that does not exist', ['env', 'TMPDIR=/nonexistent']],
    ['an empty environment', ['env', '-i', 'RESIDUAL_OFFLINE=1']],
  ])
  for (const [name, prefix] of environments) {
    const out = `${run.newFolder()} größe 图像`
    const ended = await run.train(prefix, out).ended
    outcomes.add('environments', name, await run.findProblem(out, ended, []))
  }
  const gone = join(folder, 'gone')
  mkdirSync(gone)
  const out = run.newFolder()
  const prefix = ['sh', '-c', 'rmdir "$(pwd)"; exec "$@"', 'sh']
  const ended = await run.train(prefix, out, { cwd: gone }).ended
  outcomes.add('environments', 'a removed working directory', await run.findProblem(out, ended, []))
}

/**
 * Trains without /dev/shm, and as a user without an entry in /etc/passwd.
 *
 * @param {Context} context
 * @param {RunCommand} run
 * @param {Outcomes} outcomes
 */
async function changeMounts({ folder }, run, outcomes) {
  if (!canMount()) {
    outcomes.notes.push('No /dev/shm, no entry in /etc/passwd: this user may not mount.')
    return
  }
  const empty = join(folder, 'dev')
  mkdirSync(empty)
  const devices = ['null', 'zero', 'full', 'random', 'urandom'].map(
    (name) => `touch "$0/${name}"; mount --bind /dev/${name} "$0/${name}"`,
  )
  const withoutShm = `mount -t tmpfs none "$0"; ${devices.join('; ')}; mount --move "$0" /dev`
  const out = run.newFolder()
  const ended = await startWithMounts(withoutShm, empty, run.command(out)).ended
  outcomes.add('environments', 'no /dev/shm', await run.findProblem(out, ended, []))

  if (process.getuid?.() !== 0) {
    outcomes.notes.push('No entry in /etc/passwd: only root can change the user id.')
    return
  }
  // libtorch may be in a folder that only root can read.
  const library = join(ROOT, 'bindings/npm/libtorch-linux-x64/lib')
  const libtorch = join(folder, 'libtorch')
  const runs = join(folder, 'unknown')
  for (const path of [libtorch, runs]) mkdirSync(path)
  spawnSync('chown', ['-R', `${UNKNOWN_USER}`, folder])
  spawnSync('chmod', ['a+rx', folder])
  const user = [`--reuid=${UNKNOWN_USER}`, `--regid=${UNKNOWN_USER}`, '--clear-groups']
  const command = ['setpriv', ...user, ...run.command(join(runs, 'run'))]
  const env = { HOME: '', RESIDUAL_LIBTORCH: libtorch }
  const mounts = `mount --bind "$(readlink -f ${library})" "$0"`
  const unknown = await startWithMounts(mounts, libtorch, command, { env }).ended
  const problem = await run.findProblem(join(runs, 'run'), unknown, [])
  outcomes.add('environments', 'no entry in /etc/passwd', problem)
}

/**
 * @param {Context} context
 * @param {RunCommand} run
 * @param {Outcomes} outcomes
 */
async function sendSignals({ attempts, random }, run, outcomes) {
  const { integer } = random('signals')
  for (let index = 0; index < attempts(STOPS); index++) {
    const out = run.newFolder()
    const child = run.train(['env'], out)
    const state = { isRunning: true }
    child.ended.finally(() => {
      state.isRunning = false
    })
    for (let stop = 0; stop < 10 && state.isRunning; stop++) {
      await setTimeout(integer(150))
      child.kill('SIGSTOP')
      await setTimeout(100 + integer(200))
      child.kill('SIGCONT')
    }
    const problem = await run.findProblem(out, await child.ended, [])
    outcomes.add('SIGSTOP and SIGCONT', `${index}`, problem)
  }
  for (const [signal, status] of SIGNALS) {
    const out = run.newFolder()
    const child = run.train(['env'], out)
    while (!(await child.readLine())?.startsWith('epoch'));
    child.kill(signal)
    const ended = await child.ended
    const problem = findExitProblem(ended, [0, status])
    outcomes.add('signals', signal, problem ?? (await run.findResumeProblem(out)))
  }
  // The shell exits at once; its pipes are closed when no process reads them.
  for (const output of ['> /dev/null 2>&1', '']) {
    const out = run.newFolder()
    const detach = `"$@" ${output} & echo $!`
    const parent = run.train(['sh', '-c', detach, 'sh'], out)
    const pid = Number(await parent.readLine())
    parent.process.stdout.destroy()
    parent.process.stderr.destroy()
    const isEnded = await waitForEnd(pid)
    const problem = isEnded ? await run.findResumeProblem(out) : 'did not end in time'
    outcomes.add('parent gone', output === '' ? 'pipes closed' : 'output discarded', problem)
  }
}

/**
 * Waits up to a minute for the end of a process that this program started.
 *
 * @param {number} pid
 */
async function waitForEnd(pid) {
  for (let tenths = 0; tenths < 600; tenths++) {
    try {
      process.kill(pid, 0)
    } catch {
      return true
    }
    await setTimeout(100)
  }
  process.kill(pid, 'SIGKILL')
  return false
}

/**
 * Changes the times of all files of an interrupted run, as if the clock had been set back or forward
 * since, and resumes, verifies and reports it.
 *
 * @param {RunCommand} run
 * @param {Outcomes} outcomes
 */
async function changeTimes(run, outcomes) {
  for (const seconds of TIME_OFFSETS) {
    const out = run.newFolder()
    const child = run.train(['env'], out)
    while (!(await child.readLine())?.startsWith('epoch'));
    child.kill('SIGKILL')
    await child.ended
    const time = Date.now() / 1000 + seconds
    writeFileSync(join(out, '.residual-x.tmp'), 'half')
    for (const name of ['', ...readdirSync(out, { recursive: true })]) {
      utimesSync(join(out, `${name}`), time, time)
    }
    const verified = findCommandProblem(await residual(['verify', out]), ['E_CHECKPOINT'])
    const problem = verified ?? (await run.findResumeProblem(out))
    const left = readdirSync(out).filter((name) => name.endsWith('.tmp'))
    const days = Math.round(seconds / 86_400)
    const leftover = left.length > 0 ? `left ${left}` : undefined
    outcomes.add('times of files', `${days} days`, problem ?? leftover)
  }
}

/**
 * Applies the comparisons to runs that a resource changes: another seed, a crash, a stack trace.
 *
 * @param {Context} context
 * @param {RunCommand} run
 * @returns {Promise<import('../case.mjs').Control>}
 */
async function runControl({ folder }, run) {
  const other = new RunCommand(join(folder, 'other'), { seed: 2 })
  await other.prepare()
  const crash = ['sh', '-c', 'kill -SEGV $$', 'sh']
  const crashed = await run.train(crash, run.newFolder()).ended
  const trace = [process.execPath, '--eval', 'throw new Error("x")']
  const traced = await run.train(trace, run.newFolder()).ended
  const problems = [
    findLastCheckpointProblem(other.undisturbed, run.undisturbed),
    findCommandProblem(crashed, MEMORY_CODES),
    findCommandProblem(traced, MEMORY_CODES),
  ]
  return {
    fault: 'a run with another seed, a crash and a stack trace',
    attempts: problems.length,
    detected: problems.filter((problem) => problem !== undefined).length,
  }
}
