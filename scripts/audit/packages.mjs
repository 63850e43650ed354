import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../setup/command.mjs'
import { ROOT } from '../setup.mjs'

/** @typedef {import('../audit.mjs').CheckResult} CheckResult */
/** @typedef {{ version?: string, license?: string, dev?: boolean }} LockedPackage */

/** Licenses under which npm packages may be installed together with residual. */
const ALLOWED = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  'MIT',
  'MPL-2.0', // of unmodified packages, which npm installs with their sources
  'Unlicense',
])

/** Packages whose license has no SPDX identifier in package.json, with the reason to allow it. */
const EXCEPTIONS = new Map([
  ['dejavu-fonts-ttf', 'Bitstream Vera license: free use and distribution'],
])

/**
 * Checks the licenses of the npm packages that are installed with residual.
 *
 * @returns {Promise<CheckResult>}
 */
export async function checkPackageLicenses() {
  const name = 'npm packages, licenses'
  const { packages } = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8'))
  const { numChecked, problems } = licenseProblems(packages)
  if (problems.length === 0) {
    return { name, outcome: 'passed', details: `${numChecked} packages ok` }
  }
  return { name, outcome: 'failed', details: ['licenses not allowed:', ...problems].join('\n') }
}

/**
 * Returns the locked packages whose license is not allowed, without development dependencies.
 *
 * @param {Record<string, LockedPackage>} packages
 */
export function licenseProblems(packages) {
  let numChecked = 0
  /** @type {string[]} */
  const problems = []
  for (const [path, { version, license = 'no license', dev }] of Object.entries(packages)) {
    if (path === '' || dev) continue
    numChecked += 1
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
    if (!EXCEPTIONS.has(name) && !isAllowed(license)) {
      problems.push(`${name} ${version}: ${license}`)
    }
  }
  return { numChecked, problems }
}

/**
 * Returns whether an SPDX expression offers an allowed choice.
 *
 * @param {string} expression
 */
function isAllowed(expression) {
  const innermost = /\(([^()]*)\)/
  let flat = expression
  while (innermost.test(flat)) {
    flat = flat.replace(innermost, (_, inner) => (hasAllowedChoice(inner) ? 'MIT' : 'not allowed'))
  }
  return hasAllowedChoice(flat)
}

/**
 * Returns whether an SPDX expression without parentheses offers an allowed choice. AND binds more
 * tightly than OR.
 *
 * @param {string} expression
 */
function hasAllowedChoice(expression) {
  return expression
    .split(' OR ')
    .some((choice) => choice.split(' AND ').every((license) => ALLOWED.has(license.trim())))
}

/**
 * Checks the advisories of the locked packages in the npm registry, also of development dependencies.
 *
 * @param {typeof run} [runCommand]
 * @returns {Promise<CheckResult>}
 */
export async function auditPackages(runCommand = run) {
  const name = 'npm packages, advisories'
  const args = ['audit', '--json', '--package-lock-only']
  const { status, stdout, stderr } = await runCommand('npm', args, { cwd: ROOT })
  const report = parseReport(stdout)
  if (report.vulnerabilities === undefined) {
    const reason = report.message ?? (stderr.trim().split('\n')[0] || `exit status ${status}`)
    return { name, outcome: 'skipped', details: `npm audit got no answer: ${reason}` }
  }
  const problems = Object.values(report.vulnerabilities).map(
    ({ name, severity, range }) => `${name} ${range}: ${severity}`,
  )
  if (problems.length === 0) {
    return {
      name,
      outcome: 'passed',
      details: `${report.metadata?.dependencies?.total} packages ok`,
    }
  }
  const details = [`${problems.length} packages, see npm audit`, ...problems].join('\n')
  return { name, outcome: 'failed', details }
}

/**
 * The part of the report of `npm audit` that is read; an error has a message instead.
 *
 * @typedef {object} AuditReport
 * @property {string} [message]
 * @property {Record<string, { name: string, severity: string, range: string }>} [vulnerabilities]
 * @property {{ dependencies?: { total?: number } }} [metadata]
 */

/**
 * @param {string} text
 * @returns {AuditReport}
 */
function parseReport(text) {
  try {
    return Object(JSON.parse(text))
  } catch {
    return {}
  }
}
