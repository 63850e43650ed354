import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { VERSION } from '../version.js'
import { packageFile } from './package-files.js'

/** A package manager with a lockfile. */
export type PackageManager = 'npm' | 'pnpm' | 'yarn' | 'bun'

/** The project that this package is installed in. */
export interface Project {
  manager: PackageManager
  /** Path of the lockfile; undefined if there is none. */
  lockfile?: string
}

const LOCKFILES: readonly [string, PackageManager][] = [
  ['package-lock.json', 'npm'],
  ['npm-shrinkwrap.json', 'npm'],
  ['pnpm-lock.yaml', 'pnpm'],
  ['yarn.lock', 'yarn'],
  ['bun.lock', 'bun'],
  ['bun.lockb', 'bun'],
]

/** Command that installs what the lockfile lists. */
const INSTALL: Record<PackageManager, string> = {
  npm: 'npm ci',
  pnpm: 'pnpm install --frozen-lockfile',
  yarn: 'yarn install',
  bun: 'bun install',
}

/** Where a project configures packages of several platforms. */
const SEVERAL_PLATFORMS: Record<PackageManager, string> = {
  npm: 'do not copy node_modules to another platform (list it in .dockerignore)',
  pnpm: 'list further platforms under `supportedArchitectures` in pnpm-workspace.yaml',
  yarn: 'list further platforms under `supportedArchitectures` in .yarnrc.yml',
  bun: 'do not copy node_modules to another platform (list it in .dockerignore)',
}

/** Installation that includes optional dependencies, and what may exclude them. */
const INCLUDE_OPTIONAL: Record<PackageManager, string> = {
  npm:
    '`npm install --include=optional`: optional dependencies were omitted, by `--omit=optional`, or ' +
    'by `omit` in .npmrc',
  pnpm:
    '`pnpm install --force` without `--no-optional`: optional dependencies were omitted, by this ' +
    'option, or by `optional=false` in the configuration',
  yarn:
    '`yarn install --force` without `--ignore-optional`: optional dependencies were omitted, or ' +
    '`supportedArchitectures` in .yarnrc.yml does not list this platform',
  bun: '`bun install` without `--omit optional`: optional dependencies were omitted',
}

/** Finds the project that a folder is installed in, by its lockfile. */
export function findProject(folder: string): Project {
  for (let parent = folder; ; parent = dirname(parent)) {
    for (const [name, manager] of LOCKFILES) {
      const lockfile = join(parent, name)
      if (parent !== folder && existsSync(lockfile)) return { manager, lockfile }
    }
    if (dirname(parent) === parent) return { manager: 'npm' }
  }
}

/** Returns whether this package is a clone of the repository. */
export function isClone(): boolean {
  return existsSync(packageFile('Cargo.toml'))
}

/** Returns a hint to install all packages of residual again. */
export function reinstallHint(): string {
  if (isClone()) return 'Run `npm run setup` and `npm run build` in this clone of the repository.'
  const { manager, lockfile } = findProject(packageFile())
  const command = lockfile === undefined ? `${manager} install` : INSTALL[manager]
  return `Delete node_modules, and run \`${command}\` on this machine.`
}

/** A platform package that is not installed. */
export interface MissingPackage {
  /** Name of the package, such as `@residual/linux-x64-gnu`. */
  name: string
  /** Name of this machine's platform, such as `linux-x64-gnu`. */
  platform: string
  /** Platform names of the installed packages, which suit other machines. */
  otherPlatforms: readonly string[]
  project: Project
}

/**
 * Describes why a platform package is missing.
 *
 * @returns the message and the hint
 */
export function explainMissing(missing: MissingPackage): [string, string] {
  const { name, platform, otherPlatforms, project } = missing
  const { manager, lockfile } = project
  const isLocked = lockfile === undefined || listsPackage(lockfile, name)
  const message = `the package ${name} is not installed`
  if (!isLocked) {
    const file = lockfile.slice(dirname(lockfile).length + 1)
    const bug = manager === 'npm' ? ', because of a bug of npm (npm/cli#4828)' : ''
    return [
      `${message}: ${file} does not list it`,
      `If the lockfile was made on another platform, it lacks the packages of ${platform}${bug}: ` +
        `delete node_modules and ${file}, and run \`${manager} install\`. Otherwise the package was ` +
        `not found in the registry: check with \`npm view ${name}@${VERSION}\`.`,
    ]
  }
  if (otherPlatforms.length > 0) {
    return [
      `${message}: node_modules was installed for ${otherPlatforms.join(', ')}, and this machine ` +
        `is ${platform}`,
      `Delete node_modules, and run \`${lockfile === undefined ? `${manager} install` : INSTALL[manager]}\` ` +
        `on this machine; ${SEVERAL_PLATFORMS[manager]}.`,
    ]
  }
  return [message, `Run ${INCLUDE_OPTIONAL[manager]}.`]
}

/**
 * Returns whether a lockfile has an entry for a package. The package `residual` lists all its
 * optional dependencies by name, also those without an entry.
 */
function listsPackage(lockfile: string, name: string): boolean {
  let text: string
  try {
    text = readFileSync(lockfile, 'latin1')
  } catch {
    return true // nothing is known about a lockfile that cannot be read
  }
  // npm: `"node_modules/NAME": {`. pnpm, Yarn and Bun: `NAME@VERSION`. bun.lockb is binary.
  if (lockfile.endsWith('.lockb')) return text.includes(name)
  return lockfile.endsWith('.json')
    ? new RegExp(`${name}"\\s*:\\s*\\{`).test(text)
    : text.includes(`${name}@`)
}

/** Lists the names of the installed packages in the scope `@residual`. */
export function installedPlatformPackages(): string[] {
  const scope = join(dirname(packageFile('package.json')), '..', '@residual')
  try {
    return readdirSync(scope)
  } catch {
    return []
  }
}
