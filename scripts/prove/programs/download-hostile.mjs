// Downloads a file or a data set on request, with short timeouts.

import { ensureDataset } from '../../../dist/download/dataset.js'
import { fetchFile } from '../../../dist/download/fetch-file.js'
import { answerRequests } from '../child.mjs'

const POLICY = { connectTimeout: 2000, idleTimeout: 1500, attempts: 2, backoff: 1 }

await answerRequests(async ({ file, dataset }) => {
  const start = performance.now()
  /** @param {object} outcome */
  const respond = (outcome) => ({
    ...outcome,
    seconds: (performance.now() - start) / 1000,
    megabytes: process.resourceUsage().maxRSS / 1024,
  })
  try {
    if (file !== undefined) await fetchFile(file, {}, POLICY)
    else await ensureDataset(dataset, {}, POLICY)
    return respond({ ok: true })
  } catch (error) {
    const { code, message, name } = /** @type {Error & { code?: string }} */ (error)
    return respond({ error: { code: code ?? name, message } })
  }
})
