import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { notice } from './messages.js'
import { log } from './output/streams.js'

/** Commands that open a file or a URL, by platform. */
const OPENERS: Partial<Record<NodeJS.Platform, [command: string, ...args: string[]]>> = {
  darwin: ['open'],
  // `start` is a shell built-in that would interpret special characters in a URL.
  win32: ['rundll32', 'url.dll,FileProtocolHandler'],
}

/** Whether this machine has a display to open a browser on. */
export function hasDisplay(): boolean {
  const { DISPLAY, WAYLAND_DISPLAY } = process.env
  return process.platform !== 'linux' || Boolean(DISPLAY || WAYLAND_DISPLAY)
}

/**
 * Opens a file in the browser, or prints a notice if there is none.
 *
 * @param target path or URL in the notice
 */
export function openInBrowser(file: string, target = file): void {
  const [command, ...args] = OPENERS[process.platform] ?? ['xdg-open']
  const child = spawn(command, [...args, file], { stdio: 'ignore', detached: true })
  child.on('error', () => log(notice.noBrowser(target)))
  child.unref()
}

/** Time after which a file that redirects to a URL is removed, in milliseconds. */
const REDIRECT_LIFETIME = 60_000

/**
 * Opens a URL that contains a secret, or prints a notice if that is not possible. Arguments of
 * processes are visible to all users of the machine, so the browser opens a file that only this
 * user can read and that redirects to the URL. The file is removed after a minute.
 *
 * @param folder preferred folder of the file; browsers in a sandbox cannot read temporary files
 * @returns disposal removes the file immediately; undefined if no file could be written
 */
export function openSecretUrl(url: string, folder: string): Disposable | undefined {
  const file = writeRedirect(url, folder)
  if (file === undefined) {
    log(notice.noBrowser(url))
    return undefined
  }
  const remove = () => rmSync(file, { force: true })
  const timer = setTimeout(remove, REDIRECT_LIFETIME).unref()
  openInBrowser(file, url)
  return {
    [Symbol.dispose]() {
      clearTimeout(timer)
      remove()
    },
  }
}

/**
 * Writes a private file that redirects to a URL, in a folder or else among temporary files. Returns
 * its path; undefined if neither folder can contain a private file.
 */
function writeRedirect(url: string, folder: string): string | undefined {
  const name = `.open-dashboard-${randomBytes(6).toString('hex')}.html`
  for (const parent of [folder, tmpdir()]) {
    const file = join(parent, name)
    try {
      writeFileSync(file, redirectPage(url), { mode: 0o600, flag: 'wx' })
    } catch {
      continue
    }
    // File systems without permissions ignore the mode.
    if (process.platform === 'win32' || (statSync(file).mode & 0o077) === 0) return file
    rmSync(file)
  }
  return undefined
}

function redirectPage(url: string): string {
  const escaped = url.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;')
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url=${escaped}">
<title>residual</title>
<p><a href="${escaped}">Open the dashboard</a></p>
</html>
`
}
