import { spawn } from 'node:child_process'
import { remark } from './messages.js'
import { tell } from './output/streams.js'

/** What opens a file or an address, by platform. */
const OPENERS: Partial<Record<NodeJS.Platform, [command: string, ...args: string[]]>> = {
  darwin: ['open'],
  // Not `start`, which is the shell's own and reads its arguments as the shell does.
  win32: ['rundll32', 'url.dll,FileProtocolHandler'],
}

/** Whether there is somebody to open a browser for. */
export function hasDisplay(): boolean {
  const { DISPLAY, WAYLAND_DISPLAY } = process.env
  return process.platform !== 'linux' || Boolean(DISPLAY || WAYLAND_DISPLAY)
}

/** Opens a file or an address in the browser. Where that cannot be, it says so and goes on. */
export function openInBrowser(target: string): void {
  const [command, ...args] = OPENERS[process.platform] ?? ['xdg-open']
  const child = spawn(command, [...args, target], { stdio: 'ignore', detached: true })
  child.on('error', () => tell(remark.noBrowser(target)))
  child.unref()
}
