import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { build, TARGET } from './build.mjs'
import { run } from './setup/command.mjs'
import { BuildError, SetupError } from './setup/error.mjs'
import { ROOT, runScript } from './setup.mjs'
import { provideChromium } from './test/chromium.mjs'
import { addCounts, countCommand } from './test/counts.mjs'

/** @typedef {import('./test/counts.mjs').Counts} Counts */

/**
 * One thing that is tested, by a command that ends with status 0 when all is well.
 *
 * @typedef {object} Suite
 * @property {string} name
 * @property {readonly [string, ...string[]]} command
 * @property {import('./test/counts.mjs').Runner} [counted] how its output tells how many tests there were;
 *   without it the command is one test
 * @property {NodeJS.ProcessEnv} [env]
 */

const DENY_WARNINGS = ['--', '--deny', 'warnings']

/** As build.mjs builds it. */
const LIGHT_ADDON = [
  ...['--package', 'residual-node', '--no-default-features'],
  ...['--release', '--target', TARGET],
]

/**
 * @param {NodeJS.ProcessEnv} cargoEnv
 * @returns {Promise<Suite[]>}
 */
async function suites(cargoEnv) {
  // What is under the tests is then the addon's own build.
  const cargo = ['--workspace', '--release', '--target', TARGET]
  const nextest = (await run('cargo', ['nextest', '--version'])).status === 0
  /** @type {Suite[]} */
  const rust = nextest
    ? [
        {
          name: 'Rust tests',
          command: ['cargo', 'nextest', 'run', ...cargo, '--no-fail-fast'],
          counted: 'nextest',
        },
        // nextest leaves these to cargo.
        {
          name: 'Rust documentation tests',
          command: ['cargo', 'test', ...cargo, '--no-fail-fast', '--doc'],
          counted: 'cargoTest',
        },
      ]
    : [
        {
          name: 'Rust tests',
          command: ['cargo', 'test', ...cargo, '--no-fail-fast'],
          counted: 'cargoTest',
        },
      ]
  return [
    { name: 'rustfmt', command: ['cargo', 'fmt', '--all', '--check'] },
    {
      name: 'clippy',
      // Not --all-targets: that would also compile the addon as a test, which it cannot be.
      command: ['cargo', 'clippy', ...cargo, '--lib', '--tests', '--examples', ...DENY_WARNINGS],
      env: cargoEnv,
    },
    {
      name: 'clippy, the light addon',
      command: ['cargo', 'clippy', ...LIGHT_ADDON, ...DENY_WARNINGS],
      env: cargoEnv,
    },
    { name: 'Biome', command: ['node_modules/.bin/biome', 'check'] },
    { name: 'types of the scripts', command: tsc('tsconfig.scripts.json') },
    { name: 'types of the live page', command: tsc('tsconfig.page.json') },
    { name: 'types of the tests', command: tsc('tsconfig.test.json') },
    { name: 'generated files', command: [process.execPath, 'scripts/generate.mjs', '--check'] },
    ...rust.map((suite) => ({ ...suite, env: cargoEnv })),
    {
      name: 'ava',
      command: ['node_modules/.bin/ava', '--tap'],
      counted: 'tap',
      env: { ...process.env, RESIDUAL_TEST_CHROMIUM: (await provideChromium()) ?? '' },
    },
  ]
}

/**
 * @param {string} project
 * @returns {readonly [string, ...string[]]}
 */
function tsc(project) {
  return ['node_modules/.bin/tsc', '--project', project]
}

/** @returns {Promise<Counts>} */
async function testEverything() {
  const { cargoEnv } = await build()
  // Left from a test that was since renamed, a compiled file would go on being run.
  await rm(join(ROOT, 'target', 'ava'), { recursive: true, force: true })
  let total = { passed: 0, failed: 0, skipped: 0 }
  for (const { name, command, counted, env } of await suites(cargoEnv)) {
    process.stdout.write(`\n--- ${name}\n`)
    const [program, ...args] = command
    const result = await run(program, args, { cwd: ROOT, env, output: 'both' })
    const counts = countCommand(result, counted)
    process.stdout.write(`--- ${name}: ${inWords(counts)}\n`)
    total = addCounts(total, counts)
  }
  return total
}

/** @param {Counts} counts */
function inWords({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}

await runScript(import.meta.url, async () => {
  /** @type {Counts} */
  let total
  try {
    total = await testEverything()
  } catch (error) {
    if (!(error instanceof SetupError || error instanceof BuildError)) throw error
    const hint = error instanceof SetupError ? `\n  ${error.hint}` : ''
    process.stderr.write(`${error.message}${hint}\n`)
    total = { passed: 0, failed: 1, skipped: 0 }
  }
  process.stdout.write(`\n${inWords(total)}\n`)
  process.exitCode = total.failed === 0 ? 0 : 1
})
