import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ResidualError } from '../../errors/errors.js'
import { VERSION } from '../version.js'
import { unpackedPath } from './asar.js'

/** Page that describes the configuration of bundlers. */
const BUNDLERS_PAGE = 'docs/guides/bundlers.md'

let root: string | undefined
let packageRequire: NodeJS.Require | undefined

/**
 * Returns the path of a file or folder of this package. A bundler moves the code into its output,
 * but not the files of the package, which are then found as Node resolves the package `residual`.
 *
 * @throws {ResidualError} `E_PLATFORM` if the package is not installed where its code runs
 */
export function packageFile(...path: string[]): string {
  return unpackedPath(join(packageRoot(), ...path))
}

function packageRoot(): string {
  root ??= findPackage(programFiles())
  return root
}

/** Returns the `require` of this package, which also loads native addons and its dependencies. */
export function requireFromPackage(): NodeJS.Require {
  packageRequire ??= createRequire(join(packageRoot(), 'package.json'))
  return packageRequire
}

/**
 * Returns the root folder of the package.
 *
 * @param files files from which the package is resolved, the file of this module first
 */
export function findPackage(files: readonly string[]): string {
  const [self = ''] = files
  // Without a bundler, this module is dist/native/loading/package-files.js of the package.
  const own = resolve(self, '../../../..')
  const candidates = [own, ...files.map(resolvePackage)].filter((folder) => folder !== undefined)
  const found = candidates.map((folder) => ({ folder, version: versionOf(folder) }))
  const match = found.find(({ version }) => version === VERSION)
  if (match !== undefined) return match.folder
  const other = found.find(({ version }) => version !== undefined)
  throw new ResidualError({
    code: 'E_PLATFORM',
    message:
      other === undefined
        ? `the package residual was bundled into ${self || 'the program'}, without its recipes, ` +
          'data and native addons'
        : `residual ${VERSION} was bundled into ${self}, but version ${other.version} is installed`,
    at: { file: other === undefined ? self : join(other.folder, 'package.json') },
    hint:
      other === undefined
        ? 'Mark `residual` as external in the configuration of the bundler, and install it with ' +
          `\`npm install residual\` where the program runs (${BUNDLERS_PAGE}).`
        : `Mark \`residual\` as external in the configuration of the bundler (${BUNDLERS_PAGE}), ` +
          'or build the program again.',
  })
}

/**
 * Lists this module, or the bundle that contains it, the program that was started, and a file of
 * the working directory, which may have been removed.
 */
function programFiles(): string[] {
  const program = process.argv[1]
  return [moduleFile(), ...(program === undefined ? [] : [program]), 'program.js']
}

/** Returns the file that contains this code. */
function moduleFile(): string {
  // Undefined in CommonJS output of a bundler.
  const url: string | undefined = import.meta.url
  try {
    return url === undefined ? __filename : fileURLToPath(url)
  } catch {
    // Some bundlers replace both by names that exist only during the build.
    return ''
  }
}

/** Returns the folder of the package that a file would import; undefined if there is none. */
function resolvePackage(file: string): string | undefined {
  try {
    return dirname(createRequire(resolve(file)).resolve('residual/package.json'))
  } catch {
    return undefined
  }
}

/** Returns the version of the package in a folder; undefined if the folder is not this package. */
function versionOf(folder: string): string | undefined {
  const manifest = join(folder, 'package.json')
  if (!existsSync(manifest)) return undefined
  try {
    const { name, version } = JSON.parse(readFileSync(manifest, 'utf8'))
    return name === 'residual' ? version : undefined
  } catch {
    return undefined
  }
}
