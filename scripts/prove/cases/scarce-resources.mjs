import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { ROOT } from '../../setup.mjs'
import { Child, residual } from '../child.mjs'
import { findCommandProblem, findExitProblem, Outcomes } from '../outcomes.mjs'
import { canMount, startWithMounts } from '../private-mounts.mjs'
import { ChangedClock, findDurationProblem, readClockChange } from '../run/changed-clock.mjs'
import { findLastCheckpointProblem } from '../run/check-run.mjs'
import { RunCommand } from '../run/run-command.mjs'

/** @typedef {import('../case.mjs').Context} Context */

const DESCRIPTORS = [32, 40, 64]
/** Limits of the address space in MB, beyond what Node itself takes with the package. */
const ADDRESS_SPACE = [50, 75, 100, 200, 400, 500, 550, 600, 650, 700, 750, 800, 900, 1400, 3000]
const GROUP_MEGABYTES = [64, 128, 256, 512]
const SIGNALS = /** @type {const} */ ([
  ['SIGHUP', 129],
  ['SIGINT', 130],
  ['SIGTERM', 143],
])
/** Time limit of a run that other programs may keep from the processor. */
const SLOW_SECONDS = 400
const STOPS = 5
const LONG_EPOCHS = 40
/** Differences of clocks and of the times of files, in seconds: up to ten years. */
const TIME_OFFSETS = [-3e8, -86_400, 3600, 3e8]
/** Time between the changes of a clock that jumps, in ms. */
const JUMP_INTERVAL = 20
/** Time that may pass between an event of a run and the check of its time, in seconds. */
const MAX_DELAY = 600
const MEMORY_CODES = ['E_MEMORY', 'E_LIBTORCH', 'E_PLATFORM', 'E_TORCH']
/** A user id without an entry in /etc/passwd. */
const UNKNOWN_USER = 54_321

/** @type {import('../case.mjs').Case} */
export const scarceResources = {
  name: 'scarce-resources',
  title: 'With scarce resources a run trains the same network or ends with an error that says why.',
  attack:
    'Runs train with 32 open files, with little more address space than Node takes, a memory limit ' +
    'of a control group, without /dev/shm, without HOME, as a user without an entry in ' +
    '/etc/passwd, with `LANG=C` and names that are not ASCII, without their working directory, and ' +
    'with one processor. Clocks are wrong from the start, are set back or forward by up to ten ' +
    'years before a run is resumed, and jump 50 times per second; files have times in the past or ' +
    'the future. Runs are suspended by SIGSTOP, lose their parent and the reader of their output, ' +
    'and get SIGHUP, SIGINT and SIGTERM. Each must end with the tensors of the undisturbed run, ' +
    'at once or after it is resumed, and with durations that no clock changes; an error must have ' +
    'a code. No run may crash.',
  limits:
    'The kernel kills a process that exceeds the memory limit of its control group, after which ' +
    'the run is resumed. V8 aborts a process in which Node and the modules of the package leave no ' +
    'address space, before the package can check the limit. A changed clock changes the dates in ' +
    'logs and reports.',
  test: '__test__/cli/endings.test.ts',
  timeoutSeconds: 1500,
  prove,
}

/** @param {Context} context */
async function prove(context) {
  const outcomes = new Outcomes(context.log)
  const run = new RunCommand(context.folder)
  await run.prepare()
  const nodeMegabytes = await measureNode()
  await limitProcess(context, run, outcomes, nodeMegabytes)
  await limitGroup(context, run, outcomes)
  await changeEnvironment(context, run, outcomes)
  await changeMounts(context, run, outcomes)
  // Long enough for signals, and for changes of the clock, during the run.
  const long = new RunCommand(join(context.folder, 'long'), { epochs: LONG_EPOCHS })
  await long.prepare()
  await suspend(context, run, outcomes)
  await sendSignals(long, outcomes)
  await loseParent(run, outcomes)
  await changeTimes(long, outcomes)
  await changeClock(context, long, outcomes)
  const label = 'address space of Node with the package'
  const measurement = { label, value: nodeMegabytes, unit: 'MB' }
  return outcomes.toResult(await runControl(context, run), [measurement])
}

/** Returns the address space in MB of Node with the modules of the package, without an addon. */
async function measureNode() {
  const program = `
    await import('residual')
    const { readFileSync } = await import('node:fs')
    console.log(/^VmSize:\\s+(\\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1])`
  const ended = await Child.node(['--input-type=module', '--eval', program]).close()
  const problem = findExitProblem(ended)
  if (problem !== undefined) throw new Error(problem)
  return Math.ceil((Number(ended.stdout) * 1024) / 1e6)
}

/**
 * @param {Context} context
 * @param {RunCommand} run
 * @param {Outcomes} outcomes
 * @param {number} nodeMegabytes address space that Node takes
 */
async function limitProcess({ attempts }, run, outcomes, nodeMegabytes) {
  /**
   * @param {string} group
   * @param {string} name
   * @param {string[]} prefix
   * @param {readonly string[]} [codes]
   */
  const attack = async (group, name, prefix, codes = []) => {
    const out = run.newFolder()
    const ended = await run.train(prefix, out, { timeoutSeconds: SLOW_SECONDS }).ended
    outcomes.add(group, name, await run.findProblem(out, ended, codes))
  }
  for (const count of DESCRIPTORS) {
    await attack('limited open files', `${count}`, ['prlimit', `--nofile=${count}`])
  }
  for (const more of ADDRESS_SPACE.slice(0, attempts(20 * ADDRESS_SPACE.length))) {
    const megabytes = nodeMegabytes + more
    const prefix = ['prlimit', `--as=${megabytes * 1e6}`]
    await attack('limited address space', `${megabytes} MB`, prefix, MEMORY_CODES)
  }
  await attack('limited stack', '256 KB', ['prlimit', '--stack=262144'])
  await attack('one processor', '0', ['taskset', '1'])
  await attack('low priority', '10', ['nice', '-n', '10'])
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
  const problem = await run.findProblem(out, ended, ['E_LIBTORCH'])
  outcomes.add('environments', 'a removed working directory', problem)
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
  // The libraries of libtorch find those of NVIDIA's packages by a path relative to themselves.
  const env = { HOME: '', RESIDUAL_LIBTORCH: join(libtorch, 'torch', 'lib') }
  const mounts = `mount --bind "$(readlink -f ${library})/../.." "$0"`
  const unknown = await startWithMounts(mounts, libtorch, command, { env }).ended
  const problem = await run.findProblem(join(runs, 'run'), unknown, [])
  outcomes.add('environments', 'no entry in /etc/passwd', problem)
}

/**
 * @param {Context} context
 * @param {RunCommand} run
 * @param {Outcomes} outcomes
 */
async function suspend({ attempts, random }, run, outcomes) {
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
}

/**
 * @param {RunCommand} run
 * @param {Outcomes} outcomes
 */
async function sendSignals(run, outcomes) {
  for (const [signal, status] of SIGNALS) {
    const out = run.newFolder()
    const child = await run.trainEpoch(out)
    child.kill(signal)
    const ended = await child.ended
    const problem = findExitProblem(ended, [status])
    outcomes.add('signals', signal, problem ?? (await run.findResumeProblem(out)))
  }
}

/**
 * @param {RunCommand} run
 * @param {Outcomes} outcomes
 */
async function loseParent(run, outcomes) {
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
    const child = await run.trainEpoch(out)
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
 * Trains with a clock that is wrong, that jumps, or that is changed before the run is resumed.
 *
 * @param {Context} context
 * @param {RunCommand} run
 * @param {Outcomes} outcomes
 */
async function changeClock({ folder }, run, outcomes) {
  if (!ChangedClock.isAvailable()) {
    outcomes.notes.push('Changed clocks: this needs libfaketime (`apt install libfaketime`).')
    return
  }
  const clock = new ChangedClock(folder)
  const { env } = clock
  /**
   * @param {string} name
   * @param {string} out
   * @param {number} seconds
   * @param {string | undefined} problem
   */
  const add = async (name, out, seconds, problem) => {
    const reported = problem ?? findExitProblem(await residual(['report', out], { env }))
    const isChanged = readClockChange(out) > Math.abs(seconds) - MAX_DELAY
    const unchanged = isChanged ? undefined : 'the clock was not changed'
    const hours = `${Math.round(seconds / 3600)} hours`
    outcomes.add(name, hours, reported ?? unchanged ?? findDurationProblem(out))
  }
  for (const seconds of [...TIME_OFFSETS, 60 - Date.now() / 1000]) {
    clock.set(seconds)
    const wrong = run.newFolder()
    const ended = await run.train(['env'], wrong, { env }).ended
    await add('clocks that are wrong', wrong, seconds, await run.findProblem(wrong, ended, []))

    const resumed = run.newFolder()
    const child = await run.trainEpoch(resumed)
    child.kill('SIGKILL')
    await child.ended
    const problem = await run.findResumeProblem(resumed, { env })
    await add('clocks that are changed before a run is resumed', resumed, seconds, problem)

    const jumping = run.newFolder()
    let isSet = false
    const timer = setInterval(() => {
      isSet = !isSet
      clock.set(isSet ? seconds : 0)
    }, JUMP_INTERVAL)
    const jumped = await run.train(['env'], jumping, { env }).ended
    clearInterval(timer)
    await add('clocks that jump', jumping, seconds, await run.findProblem(jumping, jumped, []))
  }
}

/**
 * Applies the comparisons to runs that a resource changes: another seed, a crash, a stack trace, a
 * duration that ends before it starts, a clock that is right.
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
  const isClockChanged = readClockChange(other.undisturbed) > MAX_DELAY
  const result = join(other.undisturbed, 'result.json')
  writeFileSync(
    result,
    JSON.stringify({ ...JSON.parse(readFileSync(result, 'utf8')), seconds: -1 }),
  )
  const problems = [
    findLastCheckpointProblem(other.undisturbed, run.undisturbed),
    findCommandProblem(crashed, MEMORY_CODES),
    findCommandProblem(traced, MEMORY_CODES),
    findDurationProblem(other.undisturbed),
    isClockChanged ? undefined : 'the clock was not changed',
  ]
  return {
    fault:
      'a run with another seed, a crash, a stack trace, a negative duration, and a clock that is ' +
      'right',
    attempts: problems.length,
    detected: problems.filter((problem) => problem !== undefined).length,
  }
}
