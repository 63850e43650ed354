import test from 'ava'
import { auditCrates, findCargoDeny } from '../../scripts/audit/crates.mjs'
import {
  auditPackages,
  checkPackageLicenses,
  licenseProblems,
} from '../../scripts/audit/packages.mjs'

/** @typedef {import('../../scripts/setup/command.mjs').CommandResult} CommandResult */
/** @typedef {typeof import('../../scripts/setup/command.mjs').run} Run */

/**
 * Returns a command runner with the output of the first key that the command line contains. Other
 * commands succeed without output.
 *
 * @param {Record<string, Partial<CommandResult>>} results
 * @param {{ line: string, env: NodeJS.ProcessEnv | undefined }[]} [calls] receives commands
 * @returns {Run}
 */
function fakeRun(results, calls = []) {
  return async (command, args, options = {}) => {
    const line = [command, ...args].join(' ')
    calls.push({ line, env: options.env })
    const key = Object.keys(results).find((part) => line.includes(part)) ?? ''
    return { status: 0, stdout: '', stderr: '', ...results[key] }
  }
}

test('the licenses of all npm packages that are installed with residual are allowed', async (t) => {
  const { outcome, details } = await checkPackageLicenses()
  t.is(outcome, 'passed', details)
})

test('a package without an allowed license is listed, except for development', (t) => {
  const { numChecked, problems } = licenseProblems({
    '': { version: '0.1.0', license: 'none' },
    'node_modules/a': { version: '1.0.0', license: '(GPL-3.0-only OR MIT)' },
    'node_modules/a/node_modules/@x/b': { version: '2.0.0', license: 'MIT AND GPL-3.0-only' },
    'node_modules/c': { version: '3.0.0' },
    'node_modules/dev': { version: '4.0.0', license: 'GPL-3.0-only', dev: true },
  })
  t.is(numChecked, 3)
  t.deepEqual(problems, ['@x/b 2.0.0: MIT AND GPL-3.0-only', 'c 3.0.0: no license'])
})

test('npm audit fails for vulnerable packages', async (t) => {
  const vulnerabilities = { tar: { name: 'tar', severity: 'high', range: '<7.5.4' } }
  const report = JSON.stringify({ vulnerabilities, metadata: {} })
  const result = await auditPackages(fakeRun({ audit: { status: 1, stdout: report } }))
  t.is(result.outcome, 'failed')
  t.regex(result.details, /tar <7\.5\.4: high/)
})

test('npm audit is skipped with a reason if the registry does not answer', async (t) => {
  const stdout = JSON.stringify({ message: '405 Method Not Allowed', error: {} })
  const refused = await auditPackages(fakeRun({ audit: { status: 1, stdout } }))
  t.is(refused.outcome, 'skipped')
  t.regex(refused.details, /405 Method Not Allowed/)
  const missing = await auditPackages(fakeRun({ audit: { status: 127, stderr: 'npm: not found' } }))
  t.like(missing, { outcome: 'skipped', details: 'npm audit got no answer: npm: not found' })
})

test('without cargo-deny, the error names the install command', async (t) => {
  await t.throwsAsync(findCargoDeny(fakeRun({ 'cargo-deny': { status: 127 } })), {
    code: 'E_PREREQUISITE',
    message: /cargo-deny/,
  })
  t.is(await findCargoDeny(fakeRun({ tools: { status: 127 } })), 'cargo-deny')
})

test('licenses are checked if the advisory database cannot be fetched', async (t) => {
  const stderr = 'failed to fetch\nfatal: Could not resolve host: example.org\n'
  const run = fakeRun({
    'fetch db': { status: 1, stderr },
    'check bans': { stdout: 'licenses ok\n', stderr: 'warning[duplicate]: rand\n  rand 0.8\n' },
  })
  const [rules, advisories] = await auditCrates('cargo-deny', undefined, run)
  t.like(rules, { outcome: 'passed', details: 'licenses ok\nwarning[duplicate]: rand' })
  t.is(advisories?.outcome, 'skipped')
  t.regex(advisories?.details ?? '', /Could not resolve host.*\n.*--advisory-db/)
})

test('a failed check of the crates reports the output of cargo-deny', async (t) => {
  const failure = { status: 1, stdout: 'advisories FAILED', stderr: 'error[vulnerability]: time' }
  const run = fakeRun({ 'check advisories': failure })
  const [rules, advisories] = await auditCrates('cargo-deny', undefined, run)
  t.is(rules?.outcome, 'passed')
  t.like(advisories, {
    outcome: 'failed',
    details: 'advisories FAILED\nerror[vulnerability]: time',
  })
})

test('the advisory database may be a clone, which must be readable', async (t) => {
  /** @type {Parameters<typeof fakeRun>[1]} */
  const calls = []
  await auditCrates('cargo-deny', '/clones/advisory-db', fakeRun({}, calls))
  const fetch = calls.find(({ line }) => line.includes('fetch db'))
  t.is(fetch?.env?.GIT_CONFIG_KEY_0, 'url./clones/advisory-db.insteadOf')
  const run = fakeRun({ 'fetch db': { status: 1, stderr: 'fatal: not a git repository' } })
  const [, advisories] = await auditCrates('cargo-deny', '/tmp', run)
  t.is(advisories?.outcome, 'failed')
  t.regex(advisories?.details ?? '', /^\/tmp is not a clone .*fatal: not a git repository/)
})
