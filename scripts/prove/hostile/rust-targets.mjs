// Test programs of the Rust crates that read hostile files, in processes with limits.

import { join } from 'node:path'
import { TARGET } from '../../build.mjs'
import { run } from '../../setup/command.mjs'
import { BuildError } from '../../setup/error.mjs'
import { ROOT } from '../../setup.mjs'
import { Child } from '../child.mjs'

/**
 * A compiled test program.
 *
 * @typedef {object} TestProgram
 * @property {string} crate folder in `crates/`
 * @property {string} name name of the test program, such as `hostile_corpus`
 * @property {string} executable
 */

/**
 * Outcome of a test program.
 *
 * @typedef {object} Outcome
 * @property {number} tests number of tests that passed
 * @property {number} cases generated inputs of property tests
 * @property {string | undefined} failure first line that explains a failure
 * @property {string} output
 */

/**
 * Compiles the test programs of packages.
 *
 * @param {readonly string[]} crates
 * @param {{ toolchain?: string, env?: NodeJS.ProcessEnv, args?: readonly string[] }} [options]
 *   `toolchain` such as `+nightly`
 * @returns {Promise<TestProgram[]>}
 */
export async function compileTests(crates, { toolchain, env, args = [] } = {}) {
  const packages = crates.flatMap((crate) => ['--package', `residual-${crate}`])
  const { status, stdout, stderr } = await run(
    'cargo',
    [
      ...(toolchain === undefined ? [] : [toolchain]),
      ...['test', '--no-run', '--message-format', 'json', '--target', TARGET],
      ...[...packages, ...args],
    ],
    { cwd: ROOT, env: { ...process.env, ...env } },
  )
  if (status !== 0) throw new BuildError(`cargo test --no-run failed: ${stderr.slice(-2000)}`)
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
    .filter(({ reason, executable }) => reason === 'compiler-artifact' && executable)
    .map(({ package_id: id, target, executable }) => ({
      crate: /crates\/(\w+)/.exec(id)?.[1] ?? '',
      name: target.name,
      executable,
    }))
}

/**
 * Runs the tests of a program.
 *
 * @param {TestProgram} program
 * @param {object} options
 * @param {number} [options.cases] generated inputs of each property test
 * @param {number} [options.seed]
 * @param {number} [options.memoryBytes] limit of the address space
 * @param {readonly string[]} [options.args] of the test harness
 * @param {NodeJS.ProcessEnv} [options.env]
 * @param {number} [options.timeoutSeconds]
 * @returns {Promise<Outcome>}
 */
export async function runTests(program, options) {
  const { cases, seed, memoryBytes, args = [], env, timeoutSeconds } = options
  const limit = memoryBytes === undefined ? 'unlimited' : Math.floor(memoryBytes / 1024)
  const script = `ulimit -v ${limit}; exec "$0" "$@"`
  const child = new Child(
    'sh',
    ['-c', script, program.executable, '--nocapture', '--test-threads', '1', ...args],
    {
      cwd: join(ROOT, 'crates', program.crate),
      env: {
        ...(cases === undefined ? {} : { PROPTEST_CASES: String(cases) }),
        ...(seed === undefined ? {} : { PROPTEST_RNG_SEED: String(seed) }),
        RUST_BACKTRACE: '0',
        ...env,
      },
      timeoutSeconds,
    },
  )
  const { status, signal, stdout, stderr } = await child.close()
  const output = `${stdout}\n${stderr}`
  const tests = Number(/test result: ok\. (\d+) passed/.exec(stdout)?.[1] ?? 0)
  const counted = [...stderr.matchAll(/^cases: (\d+)$/gm)]
  const sum = counted.reduce((total, [, number]) => total + Number(number), 0)
  const reason = /(panicked at .*|AddressSanitizer: .*|memory allocation .*)/.exec(output)?.[1]
  const failure = status === 0 ? undefined : (reason ?? `ended with ${signal ?? status}`)
  return { tests, cases: sum, failure, output }
}

/** Returns whether the nightly toolchain, which has sanitizers, is installed. */
export async function hasNightly() {
  const { status, stdout } = await run('rustup', ['toolchain', 'list'])
  return status === 0 && stdout.includes('nightly')
}
