import { accessSync, constants, existsSync, statfsSync } from 'node:fs'
import { freemem, totalmem } from 'node:os'
import { dirname } from 'node:path'
import { ResidualError } from '../errors/errors.js'
import { assertTrainable } from '../native/addon.js'
import { cacheDir } from '../native/cache-dirs.js'
import type { System } from '../native/system.js'
import type { Check } from './diagnosis.js'

const GIGABYTE = 1e9
/** A small network on small images trains in 0.7 GB; 2 GB suffice for most configurations. */
const [MIN_MEMORY, RECOMMENDED_MEMORY] = [0.7 * GIGABYTE, 2 * GIGABYTE]
/** Space for a few run folders, or for a data set that is downloaded and unpacked. */
const RECOMMENDED_DISK = GIGABYTE

const RUNS_HINT = 'Write runs to a disk with free space: `--out FOLDER`.'
const CACHE_HINT = 'Set RESIDUAL_CACHE to a folder on a disk with free space.'

/** Checks memory, and the disks of runs and downloads. */
export function checkResources(
  system: System,
  runsDir = process.cwd(),
  downloadsDir = cacheDir(),
): Check[] {
  return [
    checkMemory(system),
    ...checkAddressSpace(),
    checkDisk('disk', runsDir, 'here', RUNS_HINT),
    downloadsDir === undefined
      ? { name: 'cache', status: 'warn', detail: 'this user has no home folder', hint: CACHE_HINT }
      : checkDisk('cache', downloadsDir, `in ${downloadsDir}`, CACHE_HINT),
  ]
}

function checkMemory(system: System): Check {
  const limit = process.constrainedMemory()
  const total = limit !== undefined && limit > 0 ? Math.min(limit, totalmem()) : totalmem()
  // MemAvailable includes caches that the kernel releases on demand.
  const available = /^MemAvailable:\s+(\d+) kB$/m.exec(system.read('/proc/meminfo') ?? '')?.[1]
  const free = Math.min(total, available === undefined ? freemem() : 1024 * Number(available))
  const detail = `${gigabytes(free)} of ${gigabytes(total)} free`
  if (free >= RECOMMENDED_MEMORY) return { name: 'memory', status: 'pass', detail }
  const hint = 'Close other programs, or choose a smaller `batchSize` or network.'
  return { name: 'memory', status: free < MIN_MEMORY ? 'fail' : 'warn', detail, hint }
}

/** Returns a failed check if the limit of address space (`ulimit -v`) is too low for training. */
function checkAddressSpace(): Check[] {
  try {
    assertTrainable()
    return []
  } catch (error) {
    if (!(error instanceof ResidualError)) throw error
    return [{ name: 'address space', status: 'fail', detail: error.message, hint: error.hint }]
  }
}

function checkDisk(name: string, path: string, location: string, hint: string): Check {
  const dir = nearestExisting(path)
  try {
    const { bavail, bsize } = statfsSync(dir)
    const free = bavail * bsize
    const detail = `${gigabytes(free)} free ${location}`
    accessSync(dir, constants.W_OK)
    return free < RECOMMENDED_DISK
      ? { name, status: 'warn', detail, hint }
      : { name, status: 'pass', detail }
  } catch (error) {
    const detail = `${dir} is not writable (${(error as NodeJS.ErrnoException).code})`
    return { name, status: 'warn', detail, hint }
  }
}

/** Returns the path, or its nearest ancestor that exists. */
function nearestExisting(path: string): string {
  const parent = dirname(path)
  return existsSync(path) || parent === path ? path : nearestExisting(parent)
}

function gigabytes(bytes: number): string {
  return `${(bytes / GIGABYTE).toFixed(1)} GB`
}
