// Compares the speed of two builds of residual in interleaved rounds, for example before and after
// a change:
//
//   node scripts/bench/compare-builds.mjs OTHER_CHECKOUT
//   node scripts/bench/compare-builds.mjs OTHER_CHECKOUT --case train-resnet20,jpeg-folder --data photos
//
// Both checkouts must be built (`npm run build`, and for jpeg-folder `cargo build --release
// --target x86_64-unknown-linux-gnu --workspace --example bench_batches`). Prints one line for each
// case: the median ratio of the figures of this build to those of the other build, the worst round
// and the spread. The figures are images per second (more than 1: this build is faster) or, for
// first-step, seconds.

import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { TARGET } from '../build.mjs'
import { BuildError } from '../setup/error.mjs'
import { ROOT, runScript } from '../setup.mjs'
import { scriptPath } from './cases/programs.mjs'
import { timeToFirstLine } from './cases/time-to-first-line.mjs'
import { compareThroughput, measureRounds, summarize } from './comparison.mjs'
import { otherCpuLoad } from './machine.mjs'
import { createCifar } from './synthetic-data.mjs'
import { Worker } from './worker.mjs'

/** @typedef {import('./comparison.mjs').Comparison} Comparison */
/** @typedef {import('./comparison.mjs').Settings} Settings */
/** @typedef {import('./worker.mjs').Program} Program */

/**
 * @typedef {object} Context
 * @property {readonly { key: string, root: string }[]} builds
 * @property {string} folder temporary folder
 * @property {string} [data] image folder of JPEGs
 * @property {Settings} settings
 */

const PAIR = { subject: 'this', baseline: 'other' }

/** @type {Record<string, (context: Context) => Promise<Comparison>>} */
const CASES = {
  'train-resnet20': (context) =>
    compareTraining(context, { net: 'resnet20', stem: 'cifar', size: 32, batch: 128, steps: 60 }),
  'train-resnet18': (context) =>
    compareTraining(context, { net: 'resnet18', stem: 'cifar', size: 32, batch: 128, steps: 24 }),
  'infer-resnet18-b128': compareInference,
  'jpeg-folder': compareLoading,
  'first-step': compareFirstStep,
}

/**
 * @param {Context} context
 * @param {Record<string, unknown>} config
 */
function compareTraining({ builds, folder, settings }, config) {
  const entries = builds.map(({ key, root }) => ({
    ...{ key, label: key },
    program: nodeProgram(root, 'train-step', { ...config, out: join(folder, `${key}-train`) }),
  }))
  return compareThroughput(entries, [PAIR], settings)
}

/** @param {Context} context */
async function compareInference({ builds, folder, settings }) {
  const network = { net: 'resnet18', stem: 'cifar', size: 32, batch: 128 }
  const entries = []
  for (const { key, root } of builds) {
    const out = join(folder, `${key}-model`)
    const worker = new Worker(nodeProgram(root, 'create-model', { ...network, out }))
    const { model } = await worker.readLine()
    await worker.close()
    const program = nodeProgram(root, 'predict', {
      model,
      size: network.size,
      batch: network.batch,
    })
    entries.push({ key, label: key, program })
  }
  return compareThroughput(entries, [PAIR], settings)
}

/** @param {Context} context */
async function compareLoading({ builds, data, settings }) {
  if (data === undefined) throw new BuildError('jpeg-folder requires --data, a folder of JPEGs')
  const work = { data, size: 224, batch: 32, workers: availableParallelism(), cache: 0 }
  const entries = builds.map(({ key, root }) => ({
    ...{ key, label: key },
    program: {
      command: join(root, 'target', TARGET, 'release', 'examples', 'bench_batches'),
      args: [JSON.stringify(work)],
    },
  }))
  return compareThroughput(entries, [PAIR], settings)
}

/** @param {Context} context */
async function compareFirstStep({ builds, folder, settings }) {
  const data = await createCifar(folder)
  const subjects = builds.map(({ key, root }) => {
    const config = { net: 'resnet20', data, out: join(folder, `${key}-first`) }
    const program = nodeProgram(root, 'first-step', config)
    return { key, label: key, name: key, slice: () => timeToFirstLine(program) }
  })
  for (const { slice } of subjects) await slice()
  const measured = await measureRounds(subjects, settings)
  return summarize(subjects, [PAIR], measured, { unit: 's', better: 'lower' })
}

/**
 * Returns the command of a program of scripts/bench/residual in a checkout.
 *
 * @param {string} root
 * @param {string} name
 * @param {Record<string, unknown>} config
 * @returns {Program}
 */
function nodeProgram(root, name, config) {
  const script = join(root, relative(ROOT, scriptPath(`../residual/${name}.mjs`)))
  return { command: process.execPath, args: [script, JSON.stringify(config)] }
}

await runScript(import.meta.url, async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      case: { type: 'string', default: Object.keys(CASES).join(',') },
      data: { type: 'string' },
      rounds: { type: 'string', default: '5' },
    },
  })
  const [other] = positionals
  if (other === undefined) throw new BuildError('expected the folder of another built checkout')
  const builds = [
    { key: 'this', root: ROOT },
    { key: 'other', root: resolve(other) },
  ]
  const folder = await mkdtemp(join(tmpdir(), 'residual-bench-'))
  const rounds = Number(values.rounds)
  const settings = {
    ...{ rounds, repeats: rounds, sliceSeconds: 1.5, compile: false },
    otherLoad: await otherCpuLoad(),
    log: () => {},
  }
  try {
    for (const name of values.case.split(',')) {
      const compare = CASES[name]
      if (compare === undefined) throw new BuildError(`--case: unknown case ${name}`)
      const { pairs, implementations, disturbed } = await compare({
        ...{ builds, folder, settings },
        ...(values.data === undefined ? {} : { data: resolve(values.data) }),
      })
      const [{ median, worst, spread }] = pairs
      const medians = implementations.map(
        ({ label, median }) => `${label} ${median.toPrecision(4)}`,
      )
      process.stdout.write(
        `${name}: ratio ${median.toFixed(3)} (worst round ${worst.toFixed(3)}, spread ` +
          `${spread.toFixed(3)}); ${medians.join(', ')}${disturbed ? `; disturbed: ${disturbed}` : ''}\n`,
      )
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
