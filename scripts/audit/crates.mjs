import { join } from 'node:path'
import { run } from '../setup/command.mjs'
import { BuildError, SetupError } from '../setup/error.mjs'
import { ROOT } from '../setup.mjs'

/** @typedef {import('../audit.mjs').CheckResult} CheckResult */

const CARGO_DENY_VERSION = '0.20.2'

/** Folder that `--install` installs to, so that tools of the user do not change. */
const TOOLS = join(ROOT, 'target', 'tools')

const ADVISORY_DB = 'https://github.com/RustSec/advisory-db'

/**
 * Finds cargo-deny in target/tools or on the PATH.
 *
 * @param {typeof run} [runCommand]
 * @returns {Promise<string>} the command
 * @throws {SetupError} with the install command
 */
export async function findCargoDeny(runCommand = run) {
  for (const command of [join(TOOLS, 'bin', 'cargo-deny'), 'cargo-deny']) {
    const { status } = await runCommand(command, ['--version'])
    if (status === 0) return command
  }
  throw new SetupError('E_PREREQUISITE', 'cargo-deny, which checks the crates, is not installed', {
    hint: 'install it with `npm run audit -- --install` or `cargo install --locked cargo-deny`',
  })
}

/** Installs cargo-deny from crates.io to target/tools, which takes minutes the first time. */
export async function installCargoDeny() {
  const { status } = await run(
    'cargo',
    ['install', '--locked', '--root', TOOLS, `cargo-deny@${CARGO_DENY_VERSION}`],
    { output: 'show' },
  )
  if (status !== 0) throw new BuildError(`cargo install cargo-deny failed (exit status ${status})`)
}

/**
 * Checks the crates in Cargo.lock by the rules in deny.toml.
 *
 * @param {string} cargoDeny the command
 * @param {string | undefined} advisoryDb path of a clone of RustSec's database; by default, the
 *   database is fetched
 * @param {typeof run} [runCommand]
 * @returns {Promise<CheckResult[]>}
 */
export async function auditCrates(cargoDeny, advisoryDb, runCommand = run) {
  /** @type {(args: readonly string[]) => ReturnType<typeof run>} */
  const deny = (args) =>
    runCommand(cargoDeny, ['--color', 'never', '--locked', ...args], {
      cwd: ROOT,
      env: { ...process.env, ...redirectAdvisoryDb(advisoryDb) },
    })
  const rules = await deny(['check', 'bans', 'licenses', 'sources'])
  return [
    checkResult('crates, licenses and sources', rules),
    await checkAdvisories(deny, advisoryDb),
  ]
}

/**
 * @param {(args: readonly string[]) => ReturnType<typeof run>} deny
 * @param {string | undefined} advisoryDb
 * @returns {Promise<CheckResult>}
 */
async function checkAdvisories(deny, advisoryDb) {
  const name = 'crates, advisories'
  const fetched = await deny(['fetch', 'db'])
  if (fetched.status === 0) return checkResult(name, await deny(['check', 'advisories']))
  const lines = fetched.stderr.trim().split('\n')
  const reason = lines.find((line) => line.startsWith('fatal:')) ?? lines[0]
  if (advisoryDb !== undefined) {
    const details = `${advisoryDb} is not a clone of ${ADVISORY_DB}: ${reason}`
    return { name, outcome: 'failed', details }
  }
  const details =
    `RustSec's advisory database could not be fetched: ${reason}\n` +
    `clone ${ADVISORY_DB} elsewhere and pass its folder with --advisory-db`
  return { name, outcome: 'skipped', details }
}

/**
 * Returns the variables with which git reads the advisory database from a clone. cargo-deny itself
 * only accepts URLs with a domain.
 *
 * @param {string | undefined} advisoryDb
 * @returns {NodeJS.ProcessEnv}
 */
function redirectAdvisoryDb(advisoryDb) {
  if (advisoryDb === undefined) return {}
  return {
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: `url.${advisoryDb}.insteadOf`,
    GIT_CONFIG_VALUE_0: ADVISORY_DB,
  }
}

/**
 * Converts the output of cargo-deny: of a passed check the summary and the first lines of warnings,
 * of a failed check everything.
 *
 * @param {string} name
 * @param {import('../setup/command.mjs').CommandResult} result
 * @returns {CheckResult}
 */
function checkResult(name, { status, stdout, stderr }) {
  const summary = stdout.trim()
  if (status !== 0) return { name, outcome: 'failed', details: `${summary}\n${stderr}`.trim() }
  const warnings = stderr.split('\n').filter((line) => line.startsWith('warning'))
  return { name, outcome: 'passed', details: [summary, ...warnings].join('\n') }
}
