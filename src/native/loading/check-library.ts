import { lstatSync } from 'node:fs'
import { dirname } from 'node:path'
import { ResidualError } from '../../errors/errors.js'
import { supportedPlatform } from '../platform.js'
import { hostSystem, type System } from '../system.js'
import { enclosingArchive } from './asar.js'
import { reinstallHint } from './install-hints.js'
import { type LibraryFile, type LibraryFormat, readLibraryFile } from './library-file.js'

/** Codes of errors of native libraries: of libtorch, or of the addons. */
export type LibraryErrorCode = 'E_LIBTORCH' | 'E_PLATFORM'

const FORMAT_NAMES: Record<LibraryFormat, string> = {
  elf: 'Linux (ELF)',
  'mach-o': 'macOS (Mach-O)',
  pe: 'Windows (PE)',
}

const UNPACK_HINT =
  'Unpack the packages of residual: `asarUnpack: ["node_modules/residual/**", ' +
  '"node_modules/@residual/**"]` for electron-builder, or `yarn unplug residual` for Yarn.'

const VISUAL_CPP_HINT =
  'If the Microsoft Visual C++ 2015-2022 Redistributable is missing, install it: ' +
  'https://aka.ms/vs/17/release/vc_redist.x64.exe.'

/**
 * Checks that a shared library can be loaded by this process: that it is readable, complete, and
 * made for this platform. Mapping a truncated file kills the process with SIGBUS.
 *
 * @throws {ResidualError} with `code` and the file
 */
export function checkLibrary(path: string, code: LibraryErrorCode): void {
  const problem = findProblem(path)
  if (problem === undefined) return
  const { message, hint, cause } = problem
  throw new ResidualError({ code, message, at: { file: path }, hint }, { cause })
}

interface Problem {
  message: string
  hint: string
  cause?: unknown
}

function findProblem(path: string): Problem | undefined {
  const archive = enclosingArchive(path)
  if (archive !== undefined) {
    const message = `${path} is in the archive ${archive}: native libraries cannot be loaded from it`
    return { message, hint: UNPACK_HINT }
  }
  let library: LibraryFile | undefined
  try {
    library = readLibraryFile(path)
  } catch (cause) {
    const [message, hint] = describeUnreadable(path, cause as NodeJS.ErrnoException)
    return { message, hint, cause }
  }
  const reason = library === undefined ? 'is not a shared library' : describeMismatch(library)
  return reason === undefined ? undefined : { message: `${path} ${reason}`, hint: reinstallHint() }
}

/** Describes why a library does not suit this platform; undefined if it does. */
function describeMismatch(library: LibraryFile): string | undefined {
  const { libraryFormat, cpu } = supportedPlatform()
  const { format, architectures, size, requiredSize } = library
  if (format !== libraryFormat) {
    return `is a library for ${FORMAT_NAMES[format]}, and this process needs one for ${FORMAT_NAMES[libraryFormat]}`
  }
  if (architectures.length > 0 && !architectures.includes(cpu)) {
    return `is a library for ${architectures.join(' and ')}, and this process needs one for ${cpu}`
  }
  if (requiredSize === undefined) return `is truncated: it ends within its header (${size} bytes)`
  return size < requiredSize ? `is truncated: ${size} of ${requiredSize} bytes` : undefined
}

/** Returns the message and the hint for a library that cannot be opened. */
function describeUnreadable(path: string, error: NodeJS.ErrnoException): [string, string] {
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    const user = process.getuid === undefined ? 'this user' : `the user with id ${process.getuid()}`
    return [
      `${path} cannot be read by ${user} (${error.code})`,
      `Give the user permission to read it: \`chmod -R a+rX ${dirname(path)}\`.`,
    ]
  }
  if (error.code === 'ENOENT') {
    const isLink = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false
    return [isLink ? `${path} is a broken link` : `${path} is missing`, reinstallHint()]
  }
  return [`${path} cannot be read: ${error.message}`, reinstallHint()]
}

/**
 * Creates the error for a library that passed all checks and that the dynamic loader of the system
 * rejected.
 *
 * @param name what was loaded, for the message
 */
export function loadError(
  name: string,
  path: string,
  code: LibraryErrorCode,
  cause: unknown,
): ResidualError {
  const reason = (cause as Error).message
  const [message, hint] = explainRejection(path, reason)
  return new ResidualError(
    { code, message: `${name} could not be loaded: ${message}`, at: { file: path }, hint },
    { cause },
  )
}

/**
 * Explains a message of the dynamic loader.
 *
 * @returns the message for the user, and a hint
 */
export function explainRejection(
  path: string,
  reason: string,
  system: System = hostSystem,
  platform: NodeJS.Platform = process.platform,
): [string, string] {
  const noexec = /failed to map segment|Operation not permitted/.test(reason)
    ? noexecMount(path, system)
    : undefined
  if (noexec !== undefined) {
    return [
      `${noexec} is mounted with \`noexec\`, so that no library can be loaded from it`,
      `Install the package on another file system, or run \`mount -o remount,exec ${noexec}\`.`,
    ]
  }
  const missing = /^(?:.*: )?(\S+\.so\S*): cannot open shared object file/.exec(reason)?.[1]
  if (missing !== undefined) {
    return [
      `the library ${missing}, which it needs, is not installed`,
      /libstdc\+\+|libgcc/.test(missing)
        ? 'Install the C++ runtime: `apt-get install libstdc++6` or `dnf install libstdc++`.'
        : reinstallHint(),
    ]
  }
  const version = /version `(GLIBC(?:XX)?|CXXABI|GCC)_([\d.]+)' not found/.exec(reason)
  if (version !== null) {
    return [
      `it needs ${version[1]} ${version[2]}, and this system has an older version`,
      'Use a newer system: Debian 11, Ubuntu 20.04, RHEL 8 or later.',
    ]
  }
  if (/undefined symbol/.test(reason)) {
    return [
      `${reason.replace(/^.*undefined symbol/, 'undefined symbol')}; a library of another version is in use`,
      `Unset RESIDUAL_LIBTORCH and LD_LIBRARY_PATH if they are set. ${reinstallHint()}`,
    ]
  }
  // The messages of Windows are translated, and do not name the missing library.
  if (platform === 'win32') return [reason.trim(), `${VISUAL_CPP_HINT} ${reinstallHint()}`]
  return [reason, reinstallHint()]
}

/** Returns the mount point of a file, if programs and libraries in it cannot be executed. */
function noexecMount(path: string, system: System): string | undefined {
  // Fields: ids, root, mount point, options; a mount point that contains the path and is longest.
  const mounts = (system.read('/proc/self/mountinfo') ?? '')
    .split('\n')
    .map((line) => line.split(' '))
    .map(([, , , , point = '', options = '']) => ({ point: unescapeOctal(point), options }))
    .filter(({ point }) => point !== '' && `${path}/`.startsWith(point === '/' ? '/' : `${point}/`))
  // Of mounts over the same folder, the last one is visible.
  const mount = mounts.reduce<(typeof mounts)[number] | undefined>(
    (best, next) => (best === undefined || next.point.length >= best.point.length ? next : best),
    undefined,
  )
  return mount?.options.split(',').includes('noexec') ? mount.point : undefined
}

/** Decodes the escapes of spaces and other characters in /proc/self/mountinfo. */
function unescapeOctal(text: string): string {
  return text.replace(/\\(\d{3})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 8)))
}
