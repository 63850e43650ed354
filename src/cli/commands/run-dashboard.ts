import { once } from 'node:events'
import { basename, dirname } from 'node:path'
import { type Dashboard, dashboard, type Run } from '../../index.js'
import { hasDisplay, openSecretUrl } from '../browser.js'
import { InterruptHandler } from '../interrupt.js'
import { notice } from '../messages.js'
import { styled } from '../output/colors.js'
import { log } from '../output/streams.js'
import { isInteractive } from '../output/terminal.js'

/** The dashboard of a run in this process. A failure of the dashboard never ends the run. */
export class RunDashboard implements AsyncDisposable {
  #dashboard: Dashboard | undefined
  #url = ''
  /** The file that opened the browser. */
  #redirect: Disposable | undefined

  /** Serves the folder that contains the run and opens the dashboard if there is a display. */
  async open(dir: NonNullable<Run['dir']>): Promise<void> {
    try {
      this.#dashboard = await dashboard(dirname(dir))
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      log(`${styled(process.stderr, 'yellow', 'warning')}: ${notice.noDashboard(reason)}`)
      return
    }
    this.#url = `${this.#dashboard.url}#${new URLSearchParams({ run: basename(dir) })}`
    log(notice.dashboardUrl(this.#url))
    if (!hasDisplay()) return
    // The run is a parameter of the URL, because a fragment would be lost in the redirects.
    const { url, folder } = this.#dashboard
    this.#redirect = openSecretUrl(`${url}&${new URLSearchParams({ run: basename(dir) })}`, folder)
  }

  /** Serves the dashboard until Ctrl-C after the run; without a terminal, returns immediately. */
  async untilInterrupted(): Promise<void> {
    if (this.#dashboard === undefined || !isInteractive(process.stderr)) return
    const interrupted = new AbortController()
    using _ = new InterruptHandler(() => interrupted.abort())
    log(notice.dashboardStillOpen(this.#url))
    await once(interrupted.signal, 'abort')
  }

  /** Sends the remaining events to open pages and closes the server. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#redirect?.[Symbol.dispose]()
    if (this.#dashboard === undefined) return
    await this.#dashboard.close()
    log(notice.dashboardClosed(this.#dashboard.folder))
  }
}
