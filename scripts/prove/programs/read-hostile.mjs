// Reads hostile files with the product on request. A request is { "read": KIND, "path": PATH }; the
// response is { "ok": true } or { "error": { "code", "message" } }, with time and memory.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { loadModel, previewDataset, report, train, verify } from 'residual'
import { parseYaml, YamlError } from '../../../dist/api/run/yaml-text.js'
import { RunIndex } from '../../../dist/dashboard/run-index.js'
import { coreAddon } from '../../../dist/native/addon.js'
import { unwrapResult } from '../../../dist/native/native-result.js'
import { readRunFolder } from '../../../dist/run-folder/run-folder.js'
import { answerRequests } from '../child.mjs'

/** @type {import('residual').Model | undefined} */
let model

/** @param {Error | undefined} error */
function ignoreExpected(error) {
  if (/** @type {{ code?: string }} */ (error)?.code === undefined) throw error
}

const READERS = {
  /** @param {string} path of a checkpoint with which images are classified */
  async model(path) {
    model = await loadModel(path)
  },

  /** @param {string} path */
  async image(path) {
    await model?.predict([path])
  },

  /** @param {string} path */
  async weights(path) {
    await verify(path).catch(ignoreExpected)
    await (await loadModel(path)).close()
  },

  /** @param {string} path */
  async dataset(path) {
    await previewDataset(path, { count: 4 })
  },

  /** @param {string} path */
  async config(path) {
    try {
      const { value, lineOf } = parseYaml(readFileSync(path, 'utf8'))
      lineOf('optimizer.lr')
      unwrapResult(await coreAddon().checkTrainConfig(JSON.stringify(value ?? {}), true))
    } catch (error) {
      // The command line reports the parser's message with the line.
      if (!(error instanceof YamlError)) throw error
    }
  },

  /** @param {string} path */
  async run(path) {
    await verify(path).catch(ignoreExpected)
    await new RunIndex(dirname(path)).list()
    await readRunFolder(path).catch(ignoreExpected)
  },

  /** @param {string} path */
  async report(path) {
    await report(path, { evaluate: false })
  },

  /** @param {string} path */
  async resume(path) {
    await train({ resume: path, epochs: 2 }, { report: false })
  },

  // Deliberate faults, which the attack must detect.

  'fault: exception': () => {
    throw new TypeError("Cannot read properties of undefined (reading 'length')")
  },
  'fault: crash': () => process.abort(),
  'fault: time': () => {
    const start = cpuSeconds()
    while (cpuSeconds() - start < 11);
  },
  'fault: memory': () => {
    Buffer.alloc(1_500_000_000, 1)
  },
  /** @param {string} path */
  'fault: read outside': (path) => {
    readFileSync(join(dirname(path), 'outside', 'canary'))
  },
  /** @param {string} path */
  'fault: write outside': (path) => {
    mkdirSync(join(dirname(path), 'outside', 'new'), { recursive: true })
    writeFileSync(join(dirname(path), 'outside', 'new', 'file'), 'x')
  },
}

await answerRequests(async ({ read, path }) => {
  const start = cpuSeconds()
  /** @param {object} outcome */
  const respond = (outcome) => {
    return { ...outcome, seconds: cpuSeconds() - start, megabytes: peakMegabytes() }
  }
  try {
    await READERS[/** @type {keyof typeof READERS} */ (read)](path)
    return respond({ ok: true })
  } catch (error) {
    const { code, message, name } = /** @type {Error & { code?: string }} */ (error)
    return respond({ error: { code: code ?? name, message } })
  }
})

/** Returns the processor time of this process, which other processes do not affect. */
function cpuSeconds() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/** Returns the peak of the resident memory of this process. */
function peakMegabytes() {
  return process.resourceUsage().maxRSS / 1024
}
