// File systems that only one process and its children see, and which end with that process.

import { spawnSync } from 'node:child_process'
import { Child } from './child.mjs'

/** Options of `unshare` in the order of preference: as root, then as a user of a new namespace. */
const UNSHARE = [['--mount'], ['--user', '--map-root-user', '--mount']]

/** @type {string[] | undefined} */
let allowed

/** Returns the options of `unshare`; undefined if this user may not mount file systems. */
function findUnshareOptions() {
  allowed ??= UNSHARE.find(
    (options) =>
      spawnSync('unshare', [...options, 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0,
  )
  return allowed
}

/** Returns whether this user may mount file systems. */
export function canMount() {
  return findUnshareOptions() !== undefined
}

/**
 * Starts a program after shell commands that mount file systems. In the commands, `$0` is `folder`.
 *
 * @param {string} mounts such as `mount -t tmpfs -o size=1m none "$0"`
 * @param {string} folder
 * @param {readonly string[]} command
 * @param {import('./child.mjs').Options} [options]
 */
export function startWithMounts(mounts, folder, command, options) {
  const run = `set -e; ${mounts}; exec "$@"`
  const args = [...(findUnshareOptions() ?? []), 'sh', '-c', run, folder, ...command]
  return new Child('unshare', args, options)
}
