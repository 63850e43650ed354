import { cpus } from 'node:os'
import { ResidualError } from '../errors/errors.js'
import { currentPlatform, glibcVersion, PREBUILT_PLATFORMS } from './prebuilt-platforms.js'

export { ADDON_FILES, currentPlatform, glibcVersion } from './prebuilt-platforms.js'

/** An entry of the platform table. */
export type Platform = (typeof PREBUILT_PLATFORMS)[string]

/** Facts about the machine and the Node that runs this process. */
export interface Host {
  /** Name of the platform, such as `linux-x64-gnu`. */
  name: string
  /** Version of glibc, such as `2.36`; undefined on musl and outside Linux. */
  glibc: string | undefined
  /** Returns the name of the processor. */
  cpuModel: () => string
}

let supported: Platform | undefined

/**
 * Returns the entry of this machine in the platform table.
 *
 * @throws {ResidualError} `E_PLATFORM` if there is no prebuilt package for this platform, or if its
 *   glibc is too old
 */
export function supportedPlatform(): Platform {
  supported ??= platformOf({
    name: currentPlatform(),
    glibc: glibcVersion(),
    cpuModel: () => cpus()[0]?.model ?? '',
  })
  return supported
}

/**
 * Returns the entry of a machine in the platform table.
 *
 * @throws {ResidualError} `E_PLATFORM`
 */
export function platformOf(host: Host): Platform {
  const platform = PREBUILT_PLATFORMS[host.name]
  if (platform === undefined) {
    const [reason, hint] = explainUnsupported(host)
    throw new ResidualError({
      code: 'E_PLATFORM',
      message: `residual has no prebuilt package for ${host.name}${reason}`,
      hint,
    })
  }
  if (host.glibc !== undefined && platform.minGlibc !== undefined) {
    assertGlibc(host.glibc, platform.minGlibc)
  }
  return platform
}

/** Returns the reason, if it is known, and a hint. */
function explainUnsupported({ name, cpuModel }: Host): [string, string] {
  const [os, cpu] = name.split('-')
  if (name.endsWith('-musl')) {
    return [
      ': libtorch needs glibc, and this Node was built for musl (Alpine Linux)',
      'Use an image with glibc: `FROM node:22-slim` in place of `FROM node:22-alpine`.',
    ]
  }
  // Under Rosetta the name is `VirtualApple @ 2.50GHz processor` or that of the processor.
  if (os === 'darwin' && cpu === 'x64' && cpuModel().includes('Apple')) {
    return [
      ': this Node was built for Intel, and Rosetta translates it for Apple silicon',
      'Install Node for Apple silicon (`node -p process.arch` then prints arm64), delete ' +
        'node_modules, and run `npm install`.',
    ]
  }
  if (cpu === 'ia32') return [': this Node is a 32-bit program', 'Install the 64-bit Node.']
  const supported = Object.keys(PREBUILT_PLATFORMS).join(', ')
  const wsl = os === 'win32' ? ` On Windows, use WSL, which is linux-${cpu}-gnu.` : ''
  return ['', `Supported platforms: ${supported}.${wsl}`]
}

function assertGlibc(version: string, oldest: readonly [number, number]): void {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1])) return
  throw new ResidualError({
    code: 'E_PLATFORM',
    message: `this system has glibc ${version}, and residual needs ${oldest.join('.')} or later`,
    hint: 'Use a newer system, such as Debian 11, Ubuntu 20.04 or RHEL 8, or the image node:22-slim.',
  })
}
