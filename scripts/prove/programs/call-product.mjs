// Calls functions of the product on request, in one process. A request is { "call": NAME, ... };
// the response is { "ok": RESULT } or { "error": { "code", "message" } }, with the warnings of the
// call.

import { evaluate, loadModel, report, train, verify } from 'residual'
import { answerRequests } from '../child.mjs'
import { pixels } from '../tiny-data.mjs'

/** @type {string[]} */
let warnings = []

const CALLS = {
  /** @param {{ path: string }} request */
  verify: ({ path }) => verify(path),

  /** @param {{ path: string }} request */
  async predict({ path }) {
    const model = await loadModel(path)
    try {
      warnings.push(...model.info.warnings)
      const image = { data: pixels(0), width: 8, height: 8, channels: /** @type {const} */ (1) }
      const [{ top }] = await model.predict([image])
      return { checkpoint: model.info.checkpoint, top }
    } finally {
      await model.close()
    }
  },

  /** @param {{ path: string }} request */
  evaluate: ({ path }) => evaluate(path),

  /** @param {{ config: import('residual').TrainConfig, report?: boolean }} request */
  train: ({ config, report = false }) =>
    train(config, { report, onWarning: ({ message }) => void warnings.push(message) }),

  /** @param {{ path: string | string[], out?: string }} request */
  report: ({ path, out }) =>
    Array.isArray(path) ? report(path, { out }) : report(path, { out, evaluate: false }),
}

await answerRequests(async (request) => {
  warnings = []
  try {
    const call = CALLS[/** @type {keyof typeof CALLS} */ (request.call)]
    return { ok: await call(request), warnings }
  } catch (error) {
    const { code, message } = /** @type {{ code?: string, message: string }} */ (error)
    return { error: { code, message }, warnings }
  }
})
