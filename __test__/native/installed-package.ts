import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { currentPlatform, supportedPlatform } from '#dist/native/platform.js'
import { node, type ProcessResult, ROOT } from '../child.js'
import { tempFolder } from '../tiny.js'

const { dependencies, version, exports } = JSON.parse(
  readFileSync(join(ROOT, 'package.json'), 'utf8'),
)

/** Names of the packages of this platform, in the scope `@residual`. */
export const ADDONS = currentPlatform()
export const LIBTORCH = supportedPlatform().libtorch.name

/** A project in which this package is installed, as npm does it. */
export interface Project {
  folder: string
  /** Returns a path in node_modules. */
  installed: (...path: string[]) => string
  /** Runs the source of a module of the project, which can import `residual`. */
  run: (source: string, options?: { env?: NodeJS.ProcessEnv }) => Promise<ProcessResult>
}

/**
 * Installs this package and its dependencies in an empty project.
 *
 * @param folder of the project; default: a temporary folder
 */
export function installPackage(t: ExecutionContext, folder = tempFolder(t)): Project {
  const installed = (...path: string[]) => join(folder, 'node_modules', ...path)
  // Copied, because Node resolves modules from the real path of a link.
  mkdirSync(installed('residual'), { recursive: true })
  cpSync(join(ROOT, 'dist'), installed('residual', 'dist'), { recursive: true })
  writeManifest(installed('residual'), 'residual', { type: 'module', exports })
  for (const name of ['data', 'recipes', 'src', 'index.d.ts', 'config.schema.json']) {
    symlinkSync(join(ROOT, name), installed('residual', name))
  }
  for (const name of Object.keys(dependencies)) link(ROOT, folder, name)
  for (const name of [ADDONS, LIBTORCH]) installPlatformPackage(folder, name)
  const run: Project['run'] = (source, options) => {
    writeFileSync(join(folder, 'program.mjs'), source)
    return node(['program.mjs'], { ...options, cwd: folder })
  }
  return { folder, installed, run }
}

/** Installs a platform package as links to the files of the clone. */
function installPlatformPackage(project: string, name: string): void {
  const folder = join(project, 'node_modules', '@residual', name)
  mkdirSync(folder, { recursive: true })
  writeManifest(folder, `@residual/${name}`)
  const built = join(ROOT, 'bindings', 'npm', name)
  for (const file of ['residual.node', 'residual-torch.node', 'residual-cuda.so', 'lib']) {
    if (existsSync(join(built, file))) symlinkSync(join(built, file), join(folder, file))
  }
}

/** Writes the package.json of a package with the version of this package. */
export function writeManifest(folder: string, name: string, more: object = {}): void {
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, version, ...more }))
}

function link(root: string, project: string, name: string): void {
  const target = join(project, 'node_modules', name)
  mkdirSync(dirname(target), { recursive: true })
  symlinkSync(join(root, 'node_modules', name), target)
}
