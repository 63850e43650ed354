import { fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { ResidualError } from '../../errors/errors.js'
import { requireFromPackage } from '../../native/loading/package-files.js'
import type { ElectronUtilityProcess } from '../electron-modules.js'

/** How a host process ended: an exit code, or the signal that killed it. */
export interface HostExit {
  code: number | null
  signal: string | null
  /** The last lines that the process wrote to stderr, or why it could not be started. */
  stderr: string
}

/** A running host process. Messages are plain data, which both interfaces clone. */
export interface HostProcess {
  readonly pid: number | undefined
  send(message: unknown): void
  kill(): void
}

/** Functions that a host process calls. */
export interface HostListener {
  onMessage(message: unknown): void
  /** Called once, also if the process could not be started. */
  onExit(exit: HostExit): void
}

/** Starts a host process with arguments. */
export type HostLauncher = (args: readonly string[], listener: HostListener) => HostProcess

/** Characters of stderr that are kept for error messages. */
const STDERR_LENGTH = 2000

/** Returns a launcher that starts hosts by Electron's `utilityProcess.fork()`. */
export function utilityProcessLauncher(
  utilityProcess: ElectronUtilityProcess,
  allowLoadingUnsignedLibraries: boolean,
): HostLauncher {
  return (args, listener) => {
    const child = utilityProcess.fork(hostPath(), [...args], {
      stdio: ['ignore', 'inherit', 'pipe'],
      serviceName: 'Training',
      ...(allowLoadingUnsignedLibraries && { allowLoadingUnsignedLibraries }),
    })
    const readStderr = captureStderr(child.stderr)
    child.on('message', (message: unknown) => listener.onMessage(message))
    // A fatal error of V8, before `exit`. Without a listener it would be thrown in this process.
    child.on('error', () => {})
    child.on('exit', (code: number) => {
      listener.onExit({ code, signal: null, stderr: readStderr() })
    })
    return {
      get pid() {
        return child.pid
      },
      send: (message) => child.postMessage(message),
      kill: () => {
        // `child.kill()` sends SIGTERM, which a stopped process does not receive.
        if (!killByPid(child.pid)) child.kill()
      },
    }
  }
}

/** Starts a host by Node's `child_process.fork()`. */
export const forkLauncher: HostLauncher = (args, listener) => {
  const child = fork(hostPath(), args, {
    execArgv: [],
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  })
  const readStderr = captureStderr(child.stderr)
  let hasExited = false
  const onExit = (code: number | null, signal: string | null, stderr = readStderr()) => {
    if (hasExited) return
    hasExited = true
    listener.onExit({ code, signal, stderr })
  }
  child.on('message', (message) => listener.onMessage(message))
  child.on('error', (error) => {
    if (child.pid === undefined) onExit(null, null, error.message)
  })
  child.on('close', (code, signal) => onExit(code, signal)) // after the last output
  return {
    get pid() {
      return child.pid
    },
    // The error of a process that has just exited is reported by its exit.
    send: (message) => void child.send(message as object, () => {}),
    kill: () => void child.kill('SIGKILL'),
  }
}

/** Returns the path of the host's module, also if this code is a part of a bundle. */
function findHost(): string {
  const packageRequire = requireFromPackage()
  try {
    return packageRequire.resolve('./dist/electron/host/host.js')
  } catch (cause) {
    throw new ResidualError(
      {
        code: 'E_PLATFORM',
        message: 'the package residual has no file dist/electron/host/host.js, which trains',
        hint: 'Include all files of node_modules/residual in the packaged application.',
      },
      { cause },
    )
  }
}

/**
 * Returns the path of the host's module, outside the asar archive of a packaged application.
 *
 * @throws {ResidualError} `E_PLATFORM` if the file is missing
 */
export function hostPath(
  path = findHost(),
  exists: (path: string) => boolean = existsSync,
): string {
  const unpacked = unpackedPath(path)
  if (unpacked === path || !exists(unpacked)) return path
  // Outside the archive, modules only find packages that are unpacked, too.
  try {
    createRequire(unpacked).resolve('undici')
    return unpacked
  } catch {
    return path
  }
}

/** Returns the path at which electron-builder and Electron Forge unpack a file of an archive. */
export function unpackedPath(path: string): string {
  return path.replace(/(\.asar)([\\/])/, '$1.unpacked$2')
}

function killByPid(pid: number | undefined): boolean {
  if (pid === undefined) return false
  try {
    return process.kill(pid, 'SIGKILL')
  } catch {
    return false
  }
}

/** Forwards stderr to this process, and returns a function that returns its last lines. */
function captureStderr(stream: NodeJS.ReadableStream | null): () => string {
  let text = ''
  stream?.on('data', (chunk: Buffer) => {
    process.stderr.write(chunk)
    text = (text + chunk.toString('utf8')).slice(-STDERR_LENGTH)
  })
  return () => text.trim()
}
