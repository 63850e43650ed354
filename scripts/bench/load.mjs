// Who used the processors meanwhile: from /proc, which Linux has. Elsewhere nothing is known, and
// only the figures themselves can tell of a stall.

import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

/** Linux counts processor time in these. */
const TICKS_A_SECOND = 100

/**
 * Seconds of all processors since the machine was started.
 * @typedef {{ busy: number, stolen: number }} Processors
 */

/**
 * What happened to the machine during a measurement, all in seconds.
 *
 * @typedef {object} Load
 * @property {number} wall
 * @property {number} own processor time of the measured process and its children
 * @property {number} foreign processor time of everyone else
 * @property {number} stolen time that the hypervisor gave to another machine
 * @property {number} cpus
 */

/**
 * The first line of /proc/stat.
 *
 * @param {string} stat
 * @returns {Processors}
 */
export function parseStat(stat) {
  const ticks = (/^cpu\s+(.*)$/m.exec(stat)?.[1] ?? '').split(/\s+/).map(Number)
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = ticks
  return {
    busy: (user + nice + system + irq + softirq) / TICKS_A_SECOND,
    stolen: steal / TICKS_A_SECOND,
  }
}

/**
 * Processor seconds from /proc/<pid>/stat: of the process and of its children that have ended.
 *
 * @param {string} stat
 */
export function parseProcess(stat) {
  // The command's name, in parentheses, may hold anything.
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number)
  const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15)
  return (user + system + childUser + childSystem) / TICKS_A_SECOND
}

/**
 * The largest resident size in /proc/<pid>/status, in megabytes.
 *
 * @param {string} status
 */
export function parsePeak(status) {
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]
  return kilobytes === undefined ? undefined : Number(kilobytes) / 1024
}

/**
 * Peak memory of a process, in megabytes; undefined where it cannot be known.
 *
 * @param {number} pid
 */
export function peakMegabytes(pid) {
  const status = read(`/proc/${pid}/status`)
  return status === undefined ? undefined : parsePeak(status)
}

/**
 * Begins to measure.
 *
 * @param {number} pid the process that is measured, with its children
 * @returns {() => Load} ends it
 */
export function watchLoad(pid) {
  const snapshot = () => ({
    wall: performance.now() / 1000,
    own: processorSeconds(pid),
    ...parseStat(read('/proc/stat') ?? ''),
  })
  const before = snapshot()
  return () => {
    const after = snapshot()
    const own = Math.max(0, after.own - before.own)
    return {
      wall: after.wall - before.wall,
      own,
      foreign: Math.max(0, after.busy - before.busy - own),
      stolen: Math.max(0, after.stolen - before.stolen),
      cpus: availableParallelism(),
    }
  }
}

/**
 * @param {number} pid
 * @returns {number}
 */
function processorSeconds(pid) {
  const stat = read(`/proc/${pid}/stat`)
  if (stat === undefined) return 0
  return children(pid).reduce((sum, child) => sum + processorSeconds(child), parseProcess(stat))
}

/** @param {number} pid */
function children(pid) {
  /** @type {string[]} */
  let threads = []
  try {
    threads = readdirSync(`/proc/${pid}/task`)
  } catch {
    // It has ended.
  }
  return threads.flatMap((thread) =>
    (read(`/proc/${pid}/task/${thread}/children`) ?? '').split(' ').filter(Boolean).map(Number),
  )
}

/** @param {string} path */
function read(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
