// Changes the clock of a process by libfaketime, which replaces the functions of libc that return the
// time of day. The monotonic clock, and the times of files that the kernel writes, stay right.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readEvents } from './run-comparison.mjs'

/** Paths of the library in Debian, Fedora and Arch. */
const LIBRARIES = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1',
  '/usr/lib64/faketime/libfaketimeMT.so.1',
  '/usr/lib/faketime/libfaketimeMT.so.1',
]

/** Longest duration that a run or an epoch may report, in seconds. */
const MAX_SECONDS = 120

/** A clock that differs from that of the system by a number of seconds. */
export class ChangedClock {
  #file

  /** Returns whether clocks can be changed. */
  static isAvailable() {
    return LIBRARIES.some(existsSync)
  }

  /** @param {string} folder for the file from which processes read the difference */
  constructor(folder) {
    this.#file = join(folder, 'clock')
    this.set(0)
  }

  /**
   * Sets the clock, also of the processes that are running.
   *
   * @param {number} seconds difference from the clock of the system
   */
  set(seconds) {
    writeFileSync(this.#file, `${seconds < 0 ? '' : '+'}${Math.round(seconds)}`)
  }

  /** Environment of the processes that use this clock. */
  get env() {
    return {
      LD_PRELOAD: LIBRARIES.find(existsSync),
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      NO_FAKE_STAT: '1',
    }
  }
}

/**
 * Returns the largest difference between the clock of the system and the times of the events of a run,
 * in seconds.
 *
 * @param {string} run
 */
export function readClockChange(run) {
  const now = Date.now() / 1000
  return Math.max(...readEvents(run).map(({ time }) => Math.abs(time - now)))
}

/**
 * Returns which duration or speed of a run depends on the time of day.
 *
 * @param {string} run
 */
export function findDurationProblem(run) {
  const result = JSON.parse(readFileSync(join(run, 'result.json'), 'utf8'))
  const epochs = readEvents(run).filter(({ type }) => type === 'epoch')
  for (const { seconds, imagesPerSecond } of [...epochs, result]) {
    if (!(seconds > 0 && seconds < MAX_SECONDS)) return `a duration is ${seconds} s`
    if (!(imagesPerSecond > 0)) return `the speed is ${imagesPerSecond} images per second`
  }
  return undefined
}
