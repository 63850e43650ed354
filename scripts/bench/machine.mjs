// Description of the machine that runs the benchmark.

import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { availableParallelism, cpus, release, totalmem } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { run } from '../setup/command.mjs'
import { ROOT } from '../setup.mjs'
import { measureLoad } from './cpu-load.mjs'

/** CPU flags of the instruction sets by which kernels are selected. */
const FEATURES = ['avx2', 'avx512f', 'avx512_bf16', 'amx_bf16']

/**
 * @typedef {object} Machine
 * @property {string} cpu
 * @property {number} cores
 * @property {string[]} features
 * @property {number} gigabytes
 * @property {string} system
 * @property {Record<string, string>} versions
 * @property {string} commit
 */

/**
 * @param {string} [python] Python interpreter; its version and those of torch and torchvision are recorded
 * @returns {Promise<Machine>}
 */
export async function describeMachine(python) {
  const info = await readFile('/proc/cpuinfo', 'utf8').catch(() => '')
  const flags = new Set((/^flags\s*:(.*)$/m.exec(info)?.[1] ?? '').trim().split(' '))
  const versionOf = (/** @type {string} */ path) =>
    JSON.parse(readFileSync(path, 'utf8')).version ?? 'unknown'
  const require = createRequire(import.meta.url)
  const { stdout: commit } = await run('git', ['rev-parse', '--short', 'HEAD'], { cwd: ROOT })
  return {
    cpu: modelOf(info) ?? cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    features: FEATURES.filter((feature) => flags.has(feature)),
    gigabytes: Math.round(totalmem() / 2 ** 30),
    system: `Linux ${release()}`,
    versions: {
      residual: versionOf(`${ROOT}/package.json`),
      node: process.versions.node,
      ...(python === undefined ? {} : await pythonVersions(python)),
      'onnxruntime-node': versionOf(require.resolve('onnxruntime-node/package.json')),
    },
    commit: commit.trim(),
  }
}

/** @param {string} python */
async function pythonVersions(python) {
  const { stdout } = await run(python, [
    '-c',
    'import torch, torchvision, platform as p; print(p.python_version(), torch.__version__, torchvision.__version__)',
  ])
  const [version = '?', torch = '?', torchvision = '?'] = stdout.trim().split(' ')
  return { python: version, torch, torchvision }
}

/**
 * Returns the name of a processor with family and model, because hypervisors may hide the
 * exact name.
 *
 * @param {string} info /proc/cpuinfo
 */
export function modelOf(info) {
  const field = (/** @type {string} */ name) =>
    new RegExp(`^${name}\\s*:\\s*(.+)$`, 'm').exec(info)?.[1]
  const name = field('model name')
  const numbers = [field('cpu family'), field('model')]
  if (name === undefined || numbers.includes(undefined)) return name
  return `${name} (family ${numbers[0]}, model ${numbers[1]})`
}

/** Measures the share of all CPU time that other processes use while this process is idle. */
export async function otherCpuLoad() {
  const stopMeasuring = measureLoad(process.pid)
  await sleep(2000)
  const { other, wall, cpus: count } = stopMeasuring()
  return other / (wall * count)
}
