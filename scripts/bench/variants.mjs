// Bench cases that compare variants of residual: several builds, or one build with other settings.

import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { TARGET } from '../build.mjs'
import { BuildError } from '../setup/error.mjs'
import { ROOT } from '../setup.mjs'
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
 * @typedef {object} Variant
 * @property {string} key
 * @property {string} label
 * @property {string} root a built checkout
 * @property {NodeJS.ProcessEnv} [env] added to the environment of its programs
 */

/**
 * @typedef {object} Context
 * @property {readonly Variant[]} variants the first one is compared with every other
 * @property {string} folder temporary folder
 * @property {string} [data] image folder of JPEGs
 * @property {Settings} settings
 */

/** @type {Record<string, { title: string, compare: (context: Context) => Promise<Comparison> }>} */
export const VARIANT_CASES = {
  'train-resnet20': {
    title: 'Training step, ResNet-20, batch 128',
    compare: (context) => compareTraining(context, { net: 'resnet20', steps: 60 }),
  },
  'train-resnet18': {
    title: 'Training step, CIFAR ResNet-18, batch 128',
    compare: (context) => compareTraining(context, { net: 'resnet18', steps: 24 }),
  },
  'infer-resnet18-b128': {
    title: 'Inference, CIFAR ResNet-18, batch 128',
    compare: compareInference,
  },
  'jpeg-folder': {
    title: 'Loading a JPEG folder, without cache',
    compare: compareLoading,
  },
  'first-step': {
    title: 'Time from process start to the first step, ResNet-20, batch 128',
    compare: compareFirstStep,
  },
}

/**
 * Measures cases one after the other.
 *
 * @param {Omit<Context, 'folder' | 'settings'> & { rounds: number }} config
 * @param {readonly string[]} names of cases
 * @param {(name: string, comparison: Comparison, otherLoad: number) => unknown} onMeasured
 */
export async function compareVariants({ rounds, ...config }, names, onMeasured) {
  const unknown = names.find((name) => !(name in VARIANT_CASES))
  if (unknown !== undefined) throw new BuildError(`--case: unknown case ${unknown}`)
  const folder = await mkdtemp(join(tmpdir(), 'residual-bench-'))
  const otherLoad = await otherCpuLoad()
  const settings = {
    ...{ rounds, repeats: rounds, sliceSeconds: 1.5, compile: false, otherLoad },
    log: (/** @type {string} */ line) => process.stderr.write(`bench: ${line}\n`),
  }
  try {
    for (const name of names) {
      const comparison = await VARIANT_CASES[name].compare({ ...config, folder, settings })
      await onMeasured(name, comparison, otherLoad)
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** @param {readonly Variant[]} variants */
function pairsOf([first, ...others]) {
  return others.map(({ key }) => ({ subject: first.key, baseline: key }))
}

/**
 * @param {Context} context
 * @param {{ net: string, steps: number }} network
 */
function compareTraining({ variants, folder, settings }, { net, steps }) {
  const config = { net, steps, stem: 'cifar', size: 32, batch: 128 }
  const entries = variants.map((variant) => {
    const out = join(folder, `${variant.key}-${net}`)
    return { ...variant, program: nodeProgram(variant, 'train-step', { ...config, out }) }
  })
  return compareThroughput(entries, pairsOf(variants), settings)
}

/** @param {Context} context */
async function compareInference({ variants, folder, settings }) {
  const network = { net: 'resnet18', stem: 'cifar', size: 32, batch: 128 }
  const entries = []
  for (const variant of variants) {
    const out = join(folder, `${variant.key}-model`)
    const worker = new Worker(nodeProgram(variant, 'create-model', { ...network, out }))
    const { model } = await worker.readLine()
    await worker.close()
    const config = { model, size: network.size, batch: network.batch }
    entries.push({ ...variant, program: nodeProgram(variant, 'predict', config) })
  }
  return compareThroughput(entries, pairsOf(variants), settings)
}

/** @param {Context} context */
async function compareLoading({ variants, data, settings }) {
  if (data === undefined) throw new BuildError('jpeg-folder requires --data, a folder of JPEGs')
  const work = { data, size: 224, batch: 32, workers: availableParallelism(), cache: 0 }
  const entries = variants.map((variant) => ({
    ...variant,
    program: {
      command: join(variant.root, 'target', TARGET, 'release', 'examples', 'bench_batches'),
      args: [JSON.stringify(work)],
      ...(variant.env && { env: variant.env }),
    },
  }))
  return compareThroughput(entries, pairsOf(variants), settings)
}

/** @param {Context} context */
async function compareFirstStep({ variants, folder, settings }) {
  const data = await createCifar(folder)
  const subjects = variants.map((variant) => {
    const config = { net: 'resnet20', data, out: join(folder, `${variant.key}-first`) }
    const program = nodeProgram(variant, 'first-step', config)
    return { ...variant, name: variant.key, slice: () => timeToFirstLine(program) }
  })
  for (const { slice } of subjects) await slice()
  const measured = await measureRounds(subjects, settings)
  return summarize(subjects, pairsOf(variants), measured, { unit: 's', better: 'lower' })
}

/**
 * Returns the command of a program of scripts/bench/residual in the checkout of a variant.
 *
 * @param {Variant} variant
 * @param {string} name
 * @param {Record<string, unknown>} config
 * @returns {Program}
 */
function nodeProgram({ root, env }, name, config) {
  const script = join(root, relative(ROOT, scriptPath(`../residual/${name}.mjs`)))
  return {
    command: process.execPath,
    args: [script, JSON.stringify(config)],
    ...(env && { env }),
  }
}
