import type { Command } from 'commander'
import { type ReportResult, report } from '../../bindings/ts/index.js'
import { hasDisplay, openInBrowser } from './browser.js'
import { examples } from './help.js'
import { remark } from './messages.js'
import { print, tell } from './output.js'
import { paint } from './paint.js'
import { table } from './table.js'
import { percent } from './units.js'

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
    .option('--no-evaluate', 'leave out what needs the network and the images: takes a second')
    .option('--open', 'open it in the browser')
    .option('--json', 'print what was written, as JSON')
    .action(async (runs: string[], { out, data, evaluate, open, json }: Flags) => {
      if (runs.length === 1 && evaluate && !json) tell(remark.measuring)
      const written = await report(runs.length === 1 ? (runs[0] as string) : runs, {
        out,
        data,
        evaluate,
      })
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

/**
 * Writes the report on a run that has just been trained. Where that fails, it says so: the run has
 * ended well nevertheless.
 *
 * @returns the page's file
 */
export async function reportOn(dir: string): Promise<string | undefined> {
  try {
    return (await report(dir)).file
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    tell(`${paint(process.stderr, 'yellow', 'warning')}: ${remark.noReport(message)}`)
    return undefined
  }
}

function inWords({ file, missing, runs }: ReportResult): string {
  if (runs.length > 1) return `${comparison(runs)}\n${file}`
  for (const why of new Set(missing.map(({ why }) => why))) {
    const sections = missing.filter((left) => left.why === why).map(({ section }) => section)
    tell(remark.leftOut(sections, why))
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
  )
}
