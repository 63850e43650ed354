// CPU time of the measured process, of other processes and of the hypervisor, from /proc on Linux.
// On other systems all values are zero, so that disturbances are detected only by outliers.

import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

/** Ticks of the CPU times in /proc. */
const TICKS_PER_SECOND = 100

/**
 * CPU seconds of all processors since boot.
 * @typedef {{ busy: number, stolen: number }} TotalTimes
 */

/**
 * CPU use during a measurement, in seconds.
 *
 * @typedef {object} Load
 * @property {number} wall elapsed time
 * @property {number} own CPU time of the measured process and its children
 * @property {number} other CPU time of all other processes
 * @property {number} stolen CPU time that the hypervisor used for other virtual machines
 * @property {number} cpus number of processors
 */

/**
 * Parses the first line of /proc/stat.
 *
 * @param {string} stat
 * @returns {TotalTimes}
 */
export function parseStat(stat) {
  const ticks = (/^cpu\s+(.*)$/m.exec(stat)?.[1] ?? '').split(/\s+/).map(Number)
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = ticks
  return {
    busy: (user + nice + system + irq + softirq) / TICKS_PER_SECOND,
    stolen: steal / TICKS_PER_SECOND,
  }
}

/**
 * Parses /proc/<pid>/stat: CPU seconds of the process and its exited children.
 *
 * @param {string} stat
 */
export function parseProcess(stat) {
  // The command name in parentheses may itself contain spaces and parentheses.
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number)
  const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15)
  return (user + system + childUser + childSystem) / TICKS_PER_SECOND
}

/**
 * Parses /proc/<pid>/status: peak resident size in megabytes.
 *
 * @param {string} status
 */
export function parsePeak(status) {
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]
  return kilobytes === undefined ? undefined : Number(kilobytes) / 1024
}

/**
 * Returns the peak resident size of a process in megabytes; undefined where it is not available.
 *
 * @param {number} pid
 */
export function peakMegabytes(pid) {
  const status = read(`/proc/${pid}/status`)
  return status === undefined ? undefined : parsePeak(status)
}

/**
 * Starts a measurement of CPU use.
 *
 * @param {number} pid the measured process; its children are included
 * @returns {() => Load} ends the measurement and returns the result
 */
export function measureLoad(pid) {
  const snapshot = () => ({
    wall: performance.now() / 1000,
    own: processSeconds(pid),
    ...parseStat(read('/proc/stat') ?? ''),
  })
  const before = snapshot()
  return () => {
    const after = snapshot()
    const own = Math.max(0, after.own - before.own)
    return {
      wall: after.wall - before.wall,
      own,
      other: Math.max(0, after.busy - before.busy - own),
      stolen: Math.max(0, after.stolen - before.stolen),
      cpus: availableParallelism(),
    }
  }
}

/**
 * Returns the CPU seconds of a process and its children; 0 if they are not available.
 *
 * @param {number} pid
 * @returns {number}
 */
function processSeconds(pid) {
  const stat = read(`/proc/${pid}/stat`)
  if (stat === undefined) return 0
  return childProcesses(pid).reduce((sum, child) => sum + processSeconds(child), parseProcess(stat))
}

/** @param {number} pid */
function childProcesses(pid) {
  /** @type {string[]} */
  let threads = []
  try {
    threads = readdirSync(`/proc/${pid}/task`)
  } catch {
    // The process has exited.
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
