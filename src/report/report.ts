import { ResidualError } from '../errors/errors.js'
import { toPath } from '../native/arguments/path.js'
import type { ReportOptions, ReportResult } from './report-result.js'

/**
 * Writes a report on a run as one page that needs nothing else, and its figures as SVG and PNG; of
 * several runs, a comparison. Runs that are not done, or whose images are gone, get one without the
 * sections that cannot be made.
 *
 * @example
 * const { file } = await report('runs/photos-resnet18')
 *
 * @param runs one run folder, or several
 * @throws {ResidualError} `E_CHECKPOINT` for what is no run folder, `E_USAGE`, `E_WRITE`
 */
export async function report(
  runs: string | URL | readonly (string | URL)[],
  options: ReportOptions = {},
): Promise<ReportResult> {
  check(options)
  const given: readonly (string | URL)[] = Array.isArray(runs) ? runs : [runs]
  if (given.length === 0) throw refuse('runs', 'name at least one run folder')
  const paths = given.map((run, index) => toPath(run, given.length > 1 ? `runs[${index}]` : 'runs'))
  // Loaded here: a run that is not reported on needs none of it.
  const { write } = await import('./write-report.js')
  return await write(paths, options)
}

const KEYS = ['out', 'data', 'evaluate', 'onMeasure']

function check(options: ReportOptions): void {
  const unknown = Object.keys(options).find((key) => !KEYS.includes(key))
  if (unknown !== undefined) {
    throw new ResidualError({
      code: 'E_UNKNOWN_KEY',
      message: `there is no option \`${unknown}\``,
      at: { key: unknown },
      hint: `Known: ${KEYS.join(', ')}.`,
    })
  }
}

function refuse(key: string, message: string): ResidualError {
  return new ResidualError({ code: 'E_USAGE', message, at: { key } })
}
