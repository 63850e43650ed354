import type { ErrorCode } from '../native/generated.js'
import { ResidualError } from './errors.js'

/** Error codes, and hints other than the default, by the code of the operating system. */
const SYSTEM_ERRORS: Record<string, { code: ErrorCode; hint?: string }> = {
  EMFILE: { code: 'E_IO', hint: 'Raise the limit of open files, for example `ulimit -n 1024`.' },
  ENFILE: { code: 'E_IO', hint: 'Close programs: the system has too many open files.' },
  ENOSPC: { code: 'E_WRITE' },
  EDQUOT: { code: 'E_WRITE' },
  EROFS: { code: 'E_WRITE' },
  ENOMEM: { code: 'E_MEMORY' },
  EAGAIN: { code: 'E_MEMORY', hint: 'Raise the limit of processes and threads (`ulimit -u`).' },
}

/** Converts an error of a system call, such as EMFILE. Returns undefined for any other value. */
export function fromSystemError(error: unknown): ResidualError | undefined {
  const { code = '', path, message, syscall } = (error ?? {}) as NodeJS.ErrnoException
  if (!(error instanceof Error) || syscall === undefined) return undefined
  const at = path === undefined ? {} : { file: path }
  return new ResidualError(
    { ...(SYSTEM_ERRORS[code] ?? { code: 'E_IO' }), message, at },
    { cause: error },
  )
}
