import { readdirSync, readFileSync, statSync } from 'node:fs'

/** How long a program of the system may take to answer, in milliseconds. */
const PATIENCE = 5000

/**
 * The machine as the checks see it, so that each can be shown another machine than this one. A
 * question that has no answer gives undefined: a check never fails for want of one.
 */
export interface Machine {
  /** A small text file. */
  read(path: string): string | undefined
  /** The names in a folder. */
  list(path: string): string[]
  exists(path: string): boolean
  /** What a program prints, if it is there and ends well. */
  run(program: string, args: readonly string[]): Promise<string | undefined>
}

/** The one that this runs on. */
export const thisMachine: Machine = {
  read(path) {
    try {
      return readFileSync(path, 'utf8')
    } catch {
      return undefined
    }
  },
  list(path) {
    try {
      return readdirSync(path)
    } catch {
      return []
    }
  },
  exists(path) {
    try {
      statSync(path)
      return true
    } catch {
      return false
    }
  },
  async run(program, args) {
    // Loaded here: training asks for files alone.
    const { execFile } = await import('node:child_process')
    return await new Promise((resolve) => {
      execFile(program, args, { timeout: PATIENCE, encoding: 'utf8' }, (error, stdout) =>
        resolve(error === null ? stdout : undefined),
      )
    })
  },
}
