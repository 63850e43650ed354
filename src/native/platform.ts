import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ResidualError } from '../errors/errors.js'

/** What prebuilt packages exist for. */
const SUPPORTED = ['linux-x64-gnu']

/** The package's root, from `dist/src`. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** The folder with the embedded data set. */
export const DATA_ROOT = join(ROOT, 'data')

/** The folder with the recipes that have a name. */
export const RECIPES_ROOT = join(ROOT, 'recipes')

/** The folder with the files of the live page. */
export const PAGE_ROOT = join(ROOT, 'src', 'dashboard', 'page')

/** Resolves and loads CommonJS, which native addons are. */
export const require = createRequire(import.meta.url)

/** This package's own version. */
export function packageVersion(): string {
  return JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version
}

/**
 * Where this machine's package with the addons is.
 *
 * @throws {ResidualError} `E_PLATFORM` if there is none
 */
export function platformFolder(): string {
  const platform = currentPlatform()
  if (!SUPPORTED.includes(platform)) {
    throw new ResidualError({
      code: 'E_PLATFORM',
      message: `residual has no prebuilt package for ${platform}`,
      hint: `Supported: ${SUPPORTED.join(', ')}. On Windows, WSL is a linux-x64-gnu.`,
    })
  }
  const folder = packageFolder(platform)
  if (folder === undefined) {
    throw new ResidualError({
      code: 'E_PLATFORM',
      message: `the package @residual/${platform} is not installed`,
      hint:
        'Install again with `npm install --include=optional`; a node_modules folder from another ' +
        'platform has to be deleted first. In a clone of the repository, run `npm run build`.',
    })
  }
  return folder
}

/**
 * The folder of an installed `@residual/<name>`, or, in a clone, of the one that is built there.
 *
 * @returns undefined where neither is
 */
export function packageFolder(name: string): string | undefined {
  try {
    return dirname(require.resolve(`@residual/${name}/package.json`))
  } catch {
    const built = join(ROOT, 'bindings', 'npm', name)
    return existsSync(built) ? built : undefined
  }
}

/** As the platform packages are named. */
export function currentPlatform(): string {
  const { platform, arch } = process
  const libc = glibcVersion() === undefined ? 'musl' : 'gnu'
  return platform === 'linux' ? `linux-${arch}-${libc}` : `${platform}-${arch}`
}

/**
 * The version of glibc that Node runs on (`2.36`); undefined on musl (Alpine), which prebuilt
 * libraries for glibc cannot be loaded on, and on other systems.
 */
export function glibcVersion(): string | undefined {
  // Else the report resolves the names of all open sockets. (Not among the types of Node 20.)
  Object.assign(process.report, { excludeNetwork: true })
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } }
  return header.glibcVersionRuntime
}
