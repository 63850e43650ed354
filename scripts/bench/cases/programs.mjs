// Commands of the benchmarked programs.

import { fileURLToPath } from 'node:url'

/** @typedef {import('../worker.mjs').Program} Program */

/**
 * A program of scripts/bench/pytorch.
 *
 * @param {string} python
 * @param {string} script
 * @param {Record<string, unknown>} config
 * @returns {Program}
 */
export function pytorch(python, script, config) {
  return { command: python, args: [path(`../pytorch/${script}.py`), JSON.stringify(config)] }
}

/**
 * A Node program of scripts/bench, such as `residual/train-step`.
 *
 * @param {string} script
 * @param {Record<string, unknown>} config
 * @returns {Program}
 */
export function node(script, config) {
  return { command: process.execPath, args: [path(`../${script}.mjs`), JSON.stringify(config)] }
}

/** @param {string} relative */
export function path(relative) {
  return fileURLToPath(new URL(relative, import.meta.url))
}
