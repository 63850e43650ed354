import { spawn } from 'node:child_process'
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

/** Opens a file or a URL in the browser, or prints a notice if there is none. */
export function openInBrowser(target: string): void {
  const [command, ...args] = OPENERS[process.platform] ?? ['xdg-open']
  const child = spawn(command, [...args, target], { stdio: 'ignore', detached: true })
  child.on('error', () => log(notice.noBrowser(target)))
  child.unref()
}
