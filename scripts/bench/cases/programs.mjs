// Commands of the benchmarked programs.

import { fileURLToPath } from 'node:url'

/** @typedef {import('../worker.mjs').Program} Program */

/**
 * Returns the command of a program of scripts/bench/pytorch.
 *
 * @param {string} python
 * @param {string} script
 * @param {Record<string, unknown>} config
 * @returns {Program}
 */
export function pytorch(python, script, config) {
  return { command: python, args: [scriptPath(`../pytorch/${script}.py`), JSON.stringify(config)] }
}

/**
 * Returns the command of a Node program of scripts/bench, such as `residual/train-step`.
 *
 * @param {string} script
 * @param {Record<string, unknown>} config
 * @returns {Program}
 */
export function node(script, config) {
  return {
    command: process.execPath,
    args: [scriptPath(`../${script}.mjs`), JSON.stringify(config)],
  }
}

/**
 * Returns the path of a script.
 *
 * @param {string} relative path relative to scripts/bench/cases
 */
export function scriptPath(relative) {
  return fileURLToPath(new URL(relative, import.meta.url))
}
