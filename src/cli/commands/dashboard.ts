import { once } from 'node:events'
import { basename, dirname } from 'node:path'
import type { Command } from 'commander'
import { type Dashboard, dashboard, type Run } from '../../index.js'
import { readValue } from '../arguments/config-arguments.js'
import { hasDisplay, openInBrowser } from '../browser.js'
import { examples } from '../help.js'
import { Interrupt } from '../interrupt.js'
import { remark } from '../messages.js'
import { paint } from '../output/colors.js'
import { print, tell } from '../output/streams.js'
import { isAttended } from '../output/terminal.js'

interface Flags {
  port?: string
  open: boolean
  json?: true
}

/** `residual dashboard` */
export function addDashboard(program: Command): void {
  const verb = program
    .command('dashboard')
    .description('serve a page on which runs are watched, compared and stopped')
    .argument('[runs]', 'a folder with runs in it, or a run', 'runs')
    .option('--port <port>', 'by default 8265, or the next free one')
    .option('--no-open', 'only print the address')
    .option('--json', 'print the address as JSON')
    .action(serve)
  examples(
    verb,
    ['dashboard', 'the runs in runs/, until Ctrl-C'],
    ['dashboard runs/photos --port 9000', 'one run, at a port of your choice'],
  )
}

async function serve(runs: string, { port, open, json }: Flags): Promise<void> {
  const ended = new AbortController()
  using interrupt = new Interrupt(() => ended.abort())
  // What was typed; the function checks it.
  const number = port === undefined ? undefined : (readValue(port) as number)
  await using page = await dashboard(runs, { port: number })
  const { url, folder } = page
  await print(json ? JSON.stringify({ url, port: page.port, folder }) : url)
  tell(remark.serving(folder))
  if (open && hasDisplay()) openInBrowser(url)
  if (!ended.signal.aborted) await once(ended.signal, 'abort')
  process.exitCode = interrupt.exitStatus ?? 0
}

/** The live page of a run that is trained in this process. It never costs the run anything. */
export class LivePage implements AsyncDisposable {
  #page: Dashboard | undefined
  #url = ''

  /** Serves the folder that a run is in, and opens the page where there is a display. */
  async open(dir: NonNullable<Run['dir']>): Promise<void> {
    try {
      this.#page = await dashboard(dirname(dir))
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      tell(`${paint(process.stderr, 'yellow', 'warning')}: ${remark.noPage(message)}`)
      return
    }
    this.#url = `${this.#page.url}#${new URLSearchParams({ run: basename(dir) })}`
    tell(remark.watching(this.#url))
    if (hasDisplay()) openInBrowser(this.#url)
  }

  /**
   * Leaves it open after the run for whoever sits at the terminal, until Ctrl-C. A script's command
   * ends with its run.
   */
  async untilInterrupted(): Promise<void> {
    if (this.#page === undefined || !isAttended(process.stderr)) return
    const ended = new AbortController()
    using _ = new Interrupt(() => ended.abort())
    tell(remark.stillWatched(this.#url))
    await once(ended.signal, 'abort')
  }

  /** Ends it, with the whole run on every page that is open. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#page === undefined) return
    await this.#page.close()
    tell(remark.unwatched(this.#page.folder))
  }
}
