import { once } from 'node:events'
import type { Command } from 'commander'
import { dashboard } from '../../index.js'
import { parseValue } from '../arguments/config-arguments.js'
import { hasDisplay, openSecretUrl } from '../browser.js'
import { addExamples } from '../help.js'
import { InterruptHandler } from '../interrupt.js'
import { notice } from '../messages.js'
import { log, print } from '../output/streams.js'

interface Flags {
  port?: string
  open: boolean
  json?: true
}

/** Adds `residual dashboard`. */
export function addDashboard(program: Command): void {
  const command = program
    .command('dashboard')
    .description('serve a web page to monitor, compare and stop runs')
    .argument('[runs]', 'a folder of runs, or a run folder', 'runs')
    .option('--port <port>', 'port to listen on (default: 8265, or the next free port)')
    .option('--no-open', 'print the URL without opening a browser')
    .option('--json', 'print the URL as JSON')
    .action(serve)
  addExamples(
    command,
    ['dashboard', 'serve the runs in runs/ until Ctrl-C'],
    ['dashboard runs/photos --port 9000', 'serve one run on port 9000'],
  )
}

async function serve(runs: string, { port, open, json }: Flags): Promise<void> {
  const interrupted = new AbortController()
  using interrupt = new InterruptHandler(() => interrupted.abort())
  // dashboard() validates the port.
  const requestedPort = port === undefined ? undefined : (parseValue(port) as number)
  await using server = await dashboard(runs, { port: requestedPort })
  const { url, folder } = server
  await print(json ? JSON.stringify({ url, port: server.port, folder }) : url)
  log(notice.serving(folder))
  using _ = open && hasDisplay() ? openSecretUrl(url, folder) : undefined
  if (!interrupted.signal.aborted) await once(interrupted.signal, 'abort')
  process.exitCode = interrupt.exitStatus ?? 0
}
