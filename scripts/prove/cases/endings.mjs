import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../setup.mjs'
import { Child, programPath } from '../child.mjs'
import { findExitProblem, Outcomes } from '../outcomes.mjs'
import { installCopies } from '../package-copies.mjs'

/** @typedef {import('../case.mjs').Context} Context */

const ABORTS = 1000
const TERMINATIONS = 100
const WORKS = ['predict', 'evaluate', 'findLr', 'train']
const WORKER_ENDS = ['process.exit', 'error', 'rejection', 'memory', 'main exits']
/** Ends of the main thread, with the exit status. */
const MAIN_ENDS = /** @type {const} */ ([
  ['process.exit', 0],
  ['error', 1],
  ['rejection', 1],
])
const HOOKS = ['onStart', 'onStep', 'onEpoch', 'onCheckpoint', 'onEnd']
const TIMEOUT = { timeoutSeconds: 400 }

/** @type {import('../case.mjs').Case} */
export const endings = {
  name: 'endings',
  title: 'However a program ends, Node does not crash or hang, and the next run trains.',
  attack:
    '1,000 runs are aborted before their start, at a step, an epoch, a checkpoint, or after a ' +
    'random time. Worker threads are terminated 100 times while they train, predict, evaluate or ' +
    'search a learning rate; they and the main thread end by `process.exit()`, an uncaught error, ' +
    'an unhandled rejection, or out of memory. Each hook throws, rejects, never settles, returns ' +
    'a thenable that throws, starts or awaits another run, and exits. 20 predictions overlap a ' +
    'run, which must end with the same tensors. Two copies of the package train in one process. ' +
    'No process may end by a signal or a stack trace of the product, and every call is limited ' +
    'in time.',
  limits:
    'The main thread of Node itself crashes when its JavaScript heap is exhausted. A hook that ' +
    'blocks the JavaScript thread blocks it for everyone.',
  test: '__test__/run/worker-ends.test.ts',
  timeoutSeconds: 1200,
  prove,
}

/** @param {Context} context */
async function prove(context) {
  const outcomes = new Outcomes(context.log)
  const seconds = await attackAborts(context, outcomes)
  await attackHooks(context, outcomes)
  await attackThreads(context, outcomes)
  await attackCopies(context, outcomes)
  const control = await runControl(context)
  const label = 'time of an aborted run, mean'
  return outcomes.toResult(control, [{ label, value: seconds, unit: 's' }])
}

/** @param {Context} context */
function startRuns({ folder }) {
  return Child.node([programPath('end-runs.mjs'), folder], TIMEOUT)
}

/**
 * @param {Context} context
 * @param {Outcomes} outcomes
 * @returns {Promise<number>} mean time of an attempt in seconds
 */
async function attackAborts(context, outcomes) {
  const { pick, integer } = context.random('aborts')
  const child = startRuns(context)
  const { moments } = await child.request({ call: 'list' })
  const count = context.attempts(ABORTS)
  const start = performance.now()
  for (let index = 0; index < count; index++) {
    const moment = pick(/** @type {string[]} */ (moments))
    const after = integer(moment === 'delay' ? 40 : 10)
    await outcomes.attempt('aborted runs', `${moment} ${after}`, async () => {
      return (await child.request({ call: 'abort', moment, after, isAborted: true })) ?? undefined
    })
  }
  const seconds = (performance.now() - start) / 1000 / count
  const predictions = async () => (await child.request({ call: 'predictions' })) ?? undefined
  await outcomes.attempt('20 overlapping predictions during a run', 'resnet8', predictions)
  outcomes.add('processes of aborted runs', 'end', findExitProblem(await child.close()))
  return seconds
}

/**
 * @param {Context} context
 * @param {Outcomes} outcomes
 */
async function attackHooks(context, outcomes) {
  let child = startRuns(context)
  const { behaviors } = await child.request({ call: 'list' })
  for (const behavior of behaviors) {
    for (const event of HOOKS.slice(0, context.attempts(HOOKS.length))) {
      const name = `${event} ${behavior}`
      try {
        const problem = await child.request({ call: 'hook', event, behavior })
        outcomes.add('hooks that misbehave', name, problem ?? undefined)
      } catch (error) {
        outcomes.add('hooks that misbehave', name, /** @type {Error} */ (error).message)
        child = startRuns(context)
      }
    }
  }
  outcomes.add('processes of hooks', 'end', findExitProblem(await child.close()))
  for (const event of HOOKS) {
    const exiting = startRuns(context)
    exiting.process.stdin.end(`${JSON.stringify({ call: 'exit', event })}\n`)
    const last = join(context.folder, 'exit', 'checkpoints', 'last.safetensors')
    const problem = findExitProblem(await exiting.ended, [7])
    const isSaved = event === 'onStart' || existsSync(last)
    outcomes.add('hooks that exit', event, problem ?? (isSaved ? undefined : 'no checkpoint'))
  }
}

/**
 * @param {Context} context
 * @param {Outcomes} outcomes
 */
async function attackThreads(context, outcomes) {
  const { attempts, random, folder } = context
  const { integer } = random('threads')
  const program = programPath('compute.mjs')
  const run = join(folder, 'model')
  await Child.node([program, run, 'prepare']).close()
  /**
   * @param {string} group
   * @param {string} work
   * @param {object[]} tasks
   * @param {readonly number[]} [statuses]
   */
  const attack = async (group, work, tasks, statuses = [0]) => {
    const delayed = tasks.map((task) => ({ work, delay: integer(40), ...task }))
    const ended = await Child.node([program, run, JSON.stringify(delayed)], TIMEOUT).close()
    // An uncaught error of the program prints its own stack trace.
    const isExpected = statuses[0] === 1 && ended.stderr.includes('Error: mine')
    const problem = findExitProblem(isExpected ? { ...ended, stderr: '' } : ended, statuses)
    const count = ended.stdout.split('ended\n').length - 1
    for (let index = 0; index < tasks.length; index++) {
      const isReached = problem === undefined || index < count
      outcomes.add(group, `${work} ${index}`, isReached ? undefined : problem)
    }
  }
  for (const work of WORKS) {
    const count = attempts(TERMINATIONS / WORKS.length)
    await attack('terminated threads', work, Array(count).fill({ end: 'terminate' }))
    for (const end of WORKER_ENDS) await attack(`threads ended by ${end}`, work, [{ end }])
    for (const [end, status] of MAIN_ENDS) {
      await attack(`main thread ended by ${end}`, work, [{ end, isMain: true }], [status])
    }
  }
}

/**
 * Trains with two copies of the package in one process, one loaded by `require()`.
 *
 * @param {Context} context
 * @param {Outcomes} outcomes
 */
async function attackCopies({ folder, attempts }, outcomes) {
  const parent = join(folder, 'copies')
  installCopies(ROOT, parent, ['one', 'two'])
  const program = programPath('two-copies.mjs')
  for (const end of ['complete', 'exit', 'terminate']) {
    for (let index = 0; index < attempts(3); index++) {
      const ended = await Child.node([program, parent, join(folder, 'runs'), end], TIMEOUT).close()
      outcomes.add('two copies of the package', `${end} ${index}`, findExitProblem(ended))
    }
  }
}

/**
 * Applies the comparisons to a run that is not aborted, and to processes that crash, hang or end with
 * a stack trace.
 *
 * @param {Context} context
 * @returns {Promise<import('../case.mjs').Control>}
 */
async function runControl(context) {
  const child = startRuns(context)
  const request = { call: 'abort', moment: 'step', after: 1, isAborted: false }
  const problems = [await child.request(request)]
  await child.close()
  const sources = [
    'process.kill(process.pid, "SIGSEGV"); setInterval(() => {}, 1e6)',
    'process.abort()',
    'setInterval(() => {}, 1e6)',
    'null.f()',
    'process.exit(3)',
  ]
  for (const source of sources) {
    const ended = await Child.node(['--eval', source], { timeoutSeconds: 5 }).close()
    problems.push(findExitProblem(ended))
  }
  return {
    fault: 'a run that is not aborted, and processes that crash, hang, throw or exit early',
    attempts: problems.length,
    detected: problems.filter((problem) => typeof problem === 'string').length,
  }
}
