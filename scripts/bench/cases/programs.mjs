// Programs of scripts/bench/pytorch.

import { fileURLToPath } from 'node:url'

/** @typedef {import('../peer.mjs').Program} Program */

/**
 * @param {string} python
 * @param {string} script
 * @param {Record<string, unknown>} config
 * @returns {Program}
 */
export function pytorch(python, script, config) {
  return { command: python, args: [path(`../pytorch/${script}.py`), JSON.stringify(config)] }
}

/**
 * A program of scripts/bench/ours, or of another folder beside it.
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
