/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */
/** @typedef {'nextest' | 'cargoTest' | 'tap'} Runner */
/** @typedef {import('../setup/command.mjs').CommandResult} CommandResult */

/**
 * Reads the counts from a test runner's summary; undefined when there is no summary.
 *
 * @type {Record<Runner, (output: string) => Counts | undefined>}
 */
const PARSERS = {
  // Summary [   3.1s] 9/12 tests run: 7 passed (1 slow), 1 failed, 1 timed out, 3 skipped
  nextest(output) {
    const summary = /Summary \[.*\] .*tests? run: (.*)/.exec(output)?.[1]
    if (summary === undefined) return undefined
    return {
      passed: number(summary, /(\d+) passed/),
      failed:
        number(summary, /(\d+) failed/) +
        number(summary, /(\d+) exec failed/) +
        number(summary, /(\d+) timed out/),
      skipped: number(summary, /(\d+) skipped/),
    }
  },
  // test result: ok. 7 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s
  cargoTest(output) {
    const results = output.match(/^test result: .*/gm)
    return results
      ?.map((line) => ({
        passed: number(line, /(\d+) passed/),
        failed: number(line, /(\d+) failed/),
        skipped: number(line, /(\d+) ignored/),
      }))
      .reduce(addCounts)
  },
  tap(output) {
    if (!/^1\.\.\d+$/m.test(output)) return undefined
    return {
      passed: number(output, /^# pass (\d+)$/m),
      failed: number(output, /^# fail (\d+)$/m),
      skipped: number(output, /^# skip (\d+)$/m),
    }
  },
}

/**
 * Counts the tests of a finished command. A command that fails without a failed test, or a runner
 * that prints no summary, counts as one failed test, so that every failure is reported.
 *
 * @param {CommandResult} result
 * @param {Runner} [runner] without a runner, the command counts as a single test
 * @returns {Counts}
 */
export function countTests({ status, stdout, stderr }, runner) {
  if (runner === undefined) {
    return status === 0
      ? { passed: 1, failed: 0, skipped: 0 }
      : { passed: 0, failed: 1, skipped: 0 }
  }
  const counts = PARSERS[runner](stripColors(`${stdout}\n${stderr}`))
  if (counts === undefined) return { passed: 0, failed: 1, skipped: 0 }
  if (status !== 0 && counts.failed === 0) return { ...counts, failed: 1 }
  return counts
}

/**
 * @param {Counts} a
 * @param {Counts} b
 * @returns {Counts}
 */
export function addCounts(a, b) {
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: a.skipped + b.skipped,
  }
}

/**
 * @param {string} text
 * @param {RegExp} pattern
 */
function number(text, pattern) {
  return Number(pattern.exec(text)?.[1] ?? 0)
}

/** @param {string} text */
function stripColors(text) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences start with one
  return text.replace(/\x1b\[[0-9;]*m/g, '')
}
