import { accessSync, constants, existsSync, statfsSync } from 'node:fs'
import { freemem, totalmem } from 'node:os'
import { dirname } from 'node:path'
import { cacheFolder } from '../native/cache-dirs.js'
import type { Machine } from '../native/system.js'
import type { Check } from './diagnosis.js'

const GIGABYTE = 1e9
/** A small network on small images takes less than the one, most things take less than the other. */
const [LEAST_MEMORY, ENOUGH_MEMORY] = [0.7 * GIGABYTE, 2 * GIGABYTE]
/** Of some run folders, or a data set that is downloaded and unpacked. */
const ENOUGH_DISK = GIGABYTE

/** Memory, and the disks for runs and downloads. */
export function checkRoom(
  machine: Machine,
  folder = process.cwd(),
  cache = cacheFolder(),
): Check[] {
  return [memory(machine), disk('disk', folder, 'here'), disk('cache', cache, cache)]
}

function memory(machine: Machine): Check {
  const limit = process.constrainedMemory()
  const total = limit !== undefined && limit > 0 ? Math.min(limit, totalmem()) : totalmem()
  // What the system would give up at once counts as free.
  const available = /^MemAvailable:\s+(\d+) kB$/m.exec(machine.read('/proc/meminfo') ?? '')?.[1]
  const free = Math.min(total, available === undefined ? freemem() : 1024 * Number(available))
  const found = `${gigabytes(free)} of ${gigabytes(total)} free`
  if (free >= ENOUGH_MEMORY) return { name: 'memory', state: 'pass', found }
  const next = 'End other programs, or choose a smaller `batchSize` or network.'
  return { name: 'memory', state: free < LEAST_MEMORY ? 'fail' : 'warn', found, next }
}

function disk(name: string, wanted: string, place: string): Check {
  const folder = existing(wanted)
  const next = name === 'cache' ? CACHE : RUNS
  try {
    const { bavail, bsize } = statfsSync(folder)
    const free = bavail * bsize
    const found = `${gigabytes(free)} free ${place === 'here' ? place : `in ${place}`}`
    accessSync(folder, constants.W_OK)
    return free < ENOUGH_DISK
      ? { name, state: 'warn', found, next }
      : { name, state: 'pass', found }
  } catch (error) {
    const found = `${folder} cannot be written to (${(error as NodeJS.ErrnoException).code})`
    return { name, state: 'warn', found, next }
  }
}

const RUNS = 'Let runs go elsewhere: `--out /a/folder/with/room`.'
const CACHE = 'Let downloads go elsewhere: set RESIDUAL_CACHE to a folder with room.'

/** The folder, or the nearest above it that is there. */
function existing(path: string): string {
  const above = dirname(path)
  return existsSync(path) || above === path ? path : existing(above)
}

function gigabytes(bytes: number): string {
  return `${(bytes / GIGABYTE).toFixed(1)} GB`
}
