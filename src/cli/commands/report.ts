import type { Command } from 'commander'
import { type ReportResult, report } from '../../index.js'
import { distinct } from '../arguments/unique-paths.js'
import { hasDisplay, openInBrowser } from '../browser.js'
import { examples } from '../help.js'
import { remark } from '../messages.js'
import { percent } from '../output/format.js'
import { print, tell } from '../output/streams.js'
import { roomIn } from '../output/terminal.js'
import { table } from '../output/text-table.js'

interface Flags {
  out?: string
  data?: string
  evaluate: boolean
  open?: true
  json?: true
}

/** `residual report` */
export function addReport(program: Command): void {
  const verb = program
    .command('report')
    .description('write a page on what a run came to, or compare several runs')
    .argument('<runs...>', 'a run folder, or several')
    .option('--out <file>', 'the page; by default RUN/report.html, or comparison.html')
    .option('--data <folder>', 'where the images are now, if they were moved')
    .option('--no-evaluate', 'measure nothing: show what the run measured last, or do without')
    .option('--open', 'open it in the browser')
    .option('--json', 'print what was written, as JSON')
    .action(async (named: string[], { out, data, evaluate, open, json }: Flags) => {
      const runs = distinct(named)
      const onMeasure = json ? undefined : () => tell(remark.measuring)
      const options = { out, data, evaluate, onMeasure }
      const written = await report(runs.length === 1 ? (runs[0] as string) : runs, options)
      await print(json ? JSON.stringify(written) : inWords(written))
      if (open && hasDisplay()) openInBrowser(written.file)
      else if (open) tell(remark.noBrowser(written.file))
    })
  examples(
    verb,
    ['report runs/latest --open', 'one page on a run, in the browser'],
    ['report runs/a runs/b', 'compare two runs: a table, and a page'],
  )
}

function inWords({ file, skipped, runs }: ReportResult): string {
  if (runs.length > 1) return `${comparison(runs)}\n${file}`
  for (const reason of new Set(skipped.map(({ reason }) => reason))) {
    const sections = skipped.filter((left) => left.reason === reason).map(({ section }) => section)
    tell(remark.leftOut(sections, reason))
  }
  return file
}

function comparison(runs: ReportResult['runs']): string {
  const shown = (share: number | undefined) => (share === undefined ? '' : percent(share))
  return table(
    ['run', 'network', 'epochs', 'accuracy', 'test accuracy'],
    runs.map(({ name, arch, epochs, accuracy, testAccuracy }) => [
      name,
      arch,
      String(epochs),
      shown(accuracy),
      shown(testAccuracy),
    ]),
    { worth: [9, 5, 4, 7, 8], room: roomIn(process.stdout) },
  )
}
