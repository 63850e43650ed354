import { readdirSync, readFileSync, statSync } from 'node:fs'

/** Time limit of system programs such as nvidia-smi, in ms. */
const COMMAND_TIMEOUT = 5000

/**
 * Read-only access to files and programs of a machine. Tests use a fake machine. Methods do not
 * throw: they return undefined, or an empty list, for files and programs that are not available.
 */
export interface System {
  /** Reads a small text file. */
  read(path: string): string | undefined
  /** Lists the names in a folder. */
  list(path: string): string[]
  exists(path: string): boolean
  /** Runs a program and returns its stdout; undefined if it is missing or fails. */
  run(program: string, args: readonly string[]): Promise<string | undefined>
}

/** The machine that this process runs on. */
export const hostSystem: System = {
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
    // Imported on first use: training only reads files.
    const { execFile } = await import('node:child_process')
    return await new Promise((resolve) => {
      execFile(program, args, { timeout: COMMAND_TIMEOUT, encoding: 'utf8' }, (error, stdout) =>
        resolve(error === null ? stdout : undefined),
      )
    })
  },
}
