// Reads the log of `strace -f -y -e trace=%file`: which files a process opened or changed.

import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { run } from '../../setup/command.mjs'

/** Calls that change a path, apart from `open`. */
const CHANGES =
  /^(creat|rename|renameat|renameat2|unlink|unlinkat|rmdir|mkdir|mkdirat|link|linkat|symlink|symlinkat|truncate|chmod|fchmodat|chown|lchown|fchownat|mknod|mknodat|utimensat)$/

/** A call with its result, such as `7 openat(AT_FDCWD</home>, "a", O_RDONLY) = 3</home/a>`. */
const CALL = /^\d+ +(\w+)\((.*)\) += (-?\d+)(?:<([^>]*)>)?/

/** End of a line whose call returns on a later line. */
const UNFINISHED = ' <unfinished ...>'

/** Folders of the system to which writing changes no file. */
const DEVICES = ['/dev/', '/proc/']

/** Returns whether system calls can be recorded. */
export async function canTrace() {
  const { status } = await run('strace', ['-e', 'trace=none', 'true'])
  return status === 0
}

/**
 * Returns the accesses of a process to files outside its folder: every attempt to read below
 * `forbidden`, and every successful change outside of `folder`.
 *
 * @param {string} log file that strace wrote
 * @param {{ folder: string, forbidden: string, cwd: string }} options absolute paths
 * @returns {string[]}
 */
export function findOutsideAccesses(log, { folder, forbidden, cwd }) {
  const found = new Set()
  for (const call of joinCalls(readFileSync(log, 'utf8'))) {
    const [, name, text, result, opened] = CALL.exec(call) ?? []
    if (name === undefined) continue
    const isOpen = name === 'open' || name === 'openat'
    const isChange = CHANGES.test(name) || (isOpen && /O_(WRONLY|RDWR|CREAT|TRUNC)/.test(text))
    if (!isOpen && !isChange) continue
    const paths = parsePaths(text, cwd)
    // The file that was opened through links.
    for (const path of opened === undefined ? paths : [...paths, opened]) {
      if (isBelow(path, forbidden)) found.add(`${name} of ${path}`)
      const isAllowed = isBelow(path, folder) || DEVICES.some((device) => path.startsWith(device))
      if (isChange && result !== '-1' && !isAllowed) found.add(`${name} of ${path}`)
    }
  }
  return [...found]
}

/**
 * Returns the calls of a log, one on each line. strace splits a call into two lines if another thread
 * makes a call before the first one returns.
 *
 * @param {string} log
 */
function joinCalls(log) {
  /** @type {Map<string, string>} */
  const unfinished = new Map()
  return log.split('\n').map((line) => {
    const [, thread, text] = /^(\d+) +(.*)$/.exec(line) ?? []
    const start = text?.endsWith(UNFINISHED) ? text.slice(0, -UNFINISHED.length) : undefined
    if (start !== undefined) unfinished.set(thread, start)
    const [, rest] = /^<\.\.\. \w+ resumed>(.*)$/.exec(text ?? '') ?? []
    return rest === undefined ? line : `${thread} ${unfinished.get(thread)}${rest}`
  })
}

/**
 * Returns the paths of a call's arguments, such as `AT_FDCWD</home>, "a/b", O_RDONLY`.
 *
 * @param {string} text
 * @param {string} cwd
 */
function parsePaths(text, cwd) {
  const found = text.matchAll(/(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"/g)
  return [...found].map(([, folder = cwd, path]) => resolve(folder, path))
}

/**
 * @param {string} path
 * @param {string} folder
 */
function isBelow(path, folder) {
  return path === folder || path.startsWith(join(folder, '/'))
}
