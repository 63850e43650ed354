import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ResidualError } from '../errors/errors.js'
import { currentPlatform, PREBUILT_PLATFORMS } from './prebuilt-platforms.js'

export { ADDON_FILES, currentPlatform, glibcVersion } from './prebuilt-platforms.js'

/** An entry of the platform table. */
export type Platform = (typeof PREBUILT_PLATFORMS)[string]

/** Root folder of this package, relative to `dist/native`. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** Folder of the included data set. */
export const DATA_ROOT = join(ROOT, 'data')

/** Folder of the named recipes. */
export const RECIPES_ROOT = join(ROOT, 'recipes')

/** Folder of the dashboard's web page. */
export const PAGE_ROOT = join(ROOT, 'src', 'dashboard', 'page')

/** The CommonJS `require`, which also loads native addons. */
export const require = createRequire(import.meta.url)

/** Returns the version of this package. */
export function packageVersion(): string {
  return JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version
}

/**
 * Returns the entry of this machine in the platform table.
 *
 * @throws {ResidualError} `E_PLATFORM` if there is no prebuilt package for this platform
 */
export function supportedPlatform(): Platform {
  const name = currentPlatform()
  const platform = PREBUILT_PLATFORMS[name]
  if (platform !== undefined) return platform
  const supported = Object.keys(PREBUILT_PLATFORMS).join(', ')
  throw new ResidualError({
    code: 'E_PLATFORM',
    message: `residual has no prebuilt package for ${name}`,
    hint: `Supported platforms: ${supported}. On Windows, use WSL, which is linux-x64-gnu.`,
  })
}

/**
 * Returns the folder of the addons for this machine.
 *
 * @throws {ResidualError} `E_PLATFORM` if the platform is not supported or its package is not
 *   installed
 */
export function platformFolder(): string {
  supportedPlatform()
  const name = currentPlatform()
  const folder = packageFolder(name)
  if (folder !== undefined) return folder
  throw new ResidualError({
    code: 'E_PLATFORM',
    message: `the package @residual/${name} is not installed`,
    hint:
      'Reinstall with `npm install --include=optional`, after deleting a node_modules folder that ' +
      'was copied from another platform. In a clone of the repository, run `npm run build`.',
  })
}

/**
 * Returns the folder of the installed package `@residual/<name>`, or of a package built in a clone.
 *
 * @returns undefined if neither exists
 */
export function packageFolder(name: string): string | undefined {
  try {
    return dirname(require.resolve(`@residual/${name}/package.json`))
  } catch {
    const built = join(ROOT, 'bindings', 'npm', name)
    return existsSync(built) ? built : undefined
  }
}
