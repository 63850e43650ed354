import { ResidualError } from '../../errors/errors.js'
import { toPath } from '../../native/arguments/path.js'
import type { ReportOptions, ReportResult } from './report-result.js'

/**
 * Writes the report of a run as a self-contained HTML page, with its figures as SVG and PNG; for
 * several runs, writes a comparison. Sections that cannot be rendered, because the run is not
 * finished or its images are gone, are skipped.
 *
 * @example
 * const { file } = await report('runs/photos-resnet18')
 *
 * @param runs one or more run folders
 * @throws {ResidualError} `E_CHECKPOINT` if a path is not a run folder, `E_USAGE`, `E_WRITE`
 */
export async function report(
  runs: string | URL | readonly (string | URL)[],
  options: ReportOptions = {},
): Promise<ReportResult> {
  checkOptions(options)
  const list: readonly (string | URL)[] = Array.isArray(runs) ? runs : [runs]
  if (list.length === 0) {
    const message = 'at least one run folder is required'
    throw new ResidualError({ code: 'E_USAGE', message, at: { key: 'runs' } })
  }
  const paths = list.map((run, index) => toPath(run, list.length > 1 ? `runs[${index}]` : 'runs'))
  // Imported on first use: charts and images are not needed for training alone.
  const { writeReport } = await import('./write-report.js')
  return await writeReport(paths, options)
}

const KEYS = ['out', 'data', 'evaluate', 'onEvaluate']

function checkOptions(options: ReportOptions): void {
  const unknown = Object.keys(options).find((key) => !KEYS.includes(key))
  if (unknown === undefined) return
  throw new ResidualError({
    code: 'E_UNKNOWN_KEY',
    message: `unknown option \`${unknown}\``,
    at: { key: unknown },
    hint: `Known options: ${KEYS.join(', ')}.`,
  })
}
