import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ResidualError } from '../../errors/errors.js'
import { currentPlatform, supportedPlatform } from '../platform.js'
import { VERSION } from '../version.js'
import { unpackedPath } from './asar.js'
import type { LibraryErrorCode } from './check-library.js'
import {
  explainMissing,
  findProject,
  installedPlatformPackages,
  isClone,
  reinstallHint,
} from './install-hints.js'
import { packageFile, requireFromPackage } from './package-files.js'

/**
 * Returns the folder of the addons for this machine.
 *
 * @throws {ResidualError} `E_PLATFORM` if the platform is not supported, or if its package is not
 *   installed or has another version
 */
export function addonsFolder(): string {
  supportedPlatform()
  return packageFolder(currentPlatform(), 'E_PLATFORM', 'npm run build')
}

/**
 * Returns the folder of libtorch for this machine.
 *
 * @throws {ResidualError} `E_PLATFORM` if the platform is not supported; `E_LIBTORCH` if the
 *   package of libtorch is not installed or has another version
 */
export function libtorchFolder(): string {
  const { name } = supportedPlatform().libtorch
  return packageFolder(name, 'E_LIBTORCH', 'npm run setup')
}

/**
 * Returns the folder of the package `@residual/<name>`, or of a package that was built in a clone.
 *
 * @param command creates the package in a clone
 */
function packageFolder(name: string, code: LibraryErrorCode, command: string): string {
  const installed = resolveInstalled(name)
  if (installed !== undefined) {
    assertVersion(name, installed, code)
    return installed
  }
  const built = packageFile('bindings', 'npm', name)
  if (existsSync(built)) return built
  const [message, hint] = explainMissing({
    name: `@residual/${name}`,
    platform: currentPlatform(),
    otherPlatforms: installedPlatformPackages().filter(isOtherPlatform),
    project: findProject(packageFile()),
  })
  throw new ResidualError({
    code,
    message,
    hint: isClone() ? `Run \`${command}\` in this clone of the repository.` : hint,
  })
}

function resolveInstalled(name: string): string | undefined {
  try {
    const manifest = requireFromPackage().resolve(`@residual/${name}/package.json`)
    return unpackedPath(dirname(manifest))
  } catch {
    return undefined
  }
}

function isOtherPlatform(name: string): boolean {
  return /^(linux|darwin|win32)-/.test(name) && name !== currentPlatform()
}

/** Checks that a platform package was published together with this package. */
function assertVersion(name: string, folder: string, code: LibraryErrorCode): void {
  const manifest = join(folder, 'package.json')
  const { version } = JSON.parse(readFileSync(manifest, 'utf8'))
  if (version === VERSION) return
  throw new ResidualError({
    code,
    message: `@residual/${name} has version ${version}, and residual has version ${VERSION}`,
    at: { file: manifest },
    hint: `All packages of residual need the same version. ${reinstallHint()}`,
  })
}
