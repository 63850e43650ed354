import type { Command } from 'commander'
import { type ReportResult, report } from '../../index.js'
import { uniquePaths } from '../arguments/unique-paths.js'
import { hasDisplay, openInBrowser } from '../browser.js'
import { addExamples } from '../help.js'
import { notice } from '../messages.js'
import { formatPercent } from '../output/format.js'
import { log, print } from '../output/streams.js'
import { outputWidth } from '../output/terminal.js'
import { formatTable } from '../output/text-table.js'

interface Flags {
  out?: string
  data?: string
  evaluate: boolean
  open?: true
  json?: true
}

/** Adds `residual report`. */
export function addReport(program: Command): void {
  const command = program
    .command('report')
    .description('write an HTML report of a run, or compare several runs')
    .argument('<runs...>', 'one or more run folders')
    .option('--out <file>', 'output file (default: RUN/report.html, or comparison.html)')
    .option('--data <folder>', 'location of the images, if they were moved')
    .option('--no-evaluate', 'do not evaluate the network; use only metrics stored in the run')
    .option('--open', 'open the report in the browser')
    .option('--json', 'print the result as JSON')
    .action(run)
  addExamples(
    command,
    ['report runs/latest --open', 'write a report and open it in the browser'],
    ['report runs/a runs/b', 'compare two runs'],
  )
}

async function run(paths: string[], { out, data, evaluate, open, json }: Flags): Promise<void> {
  const runs = uniquePaths(paths)
  const onEvaluate = json ? undefined : () => log(notice.evaluating)
  const options = { out, data, evaluate, onEvaluate }
  const result = await report(runs.length === 1 ? (runs[0] as string) : runs, options)
  await print(json ? JSON.stringify(result) : formatResult(result))
  if (open && hasDisplay()) openInBrowser(result.file)
  else if (open) log(notice.noBrowser(result.file))
}

function formatResult({ file, skipped, runs }: ReportResult): string {
  if (runs.length > 1) return `${formatComparison(runs)}\n${file}`
  for (const reason of new Set(skipped.map(({ reason }) => reason))) {
    const sections = skipped.filter((entry) => entry.reason === reason)
    log(
      notice.missingSections(
        sections.map(({ section }) => section),
        reason,
      ),
    )
  }
  return file
}

function formatComparison(runs: ReportResult['runs']): string {
  const format = (accuracy: number | undefined) =>
    accuracy === undefined ? '' : formatPercent(accuracy)
  return formatTable(
    ['run', 'network', 'epochs', 'accuracy', 'test accuracy'],
    runs.map(({ name, arch, epochs, accuracy, testAccuracy }) => [
      name,
      arch,
      String(epochs),
      format(accuracy),
      format(testAccuracy),
    ]),
    { priorities: [9, 5, 4, 7, 8], width: outputWidth(process.stdout) },
  )
}
