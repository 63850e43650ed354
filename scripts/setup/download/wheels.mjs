import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../command.mjs'
import { SetupError } from '../error.mjs'
import { hashFile } from '../libtorch/manifest.mjs'
import { findPip, installCommand } from '../prerequisites.mjs'
import { byteProgress } from './progress.mjs'

/**
 * Pinned wheel: the requirement for pip, and the file that pip must download.
 *
 * @typedef {{ requirement: string, file: string, bytes: number, sha256: string }} Wheel
 */

/**
 * @typedef {object} WheelRequest
 * @property {string} name of the software, in messages
 * @property {readonly Wheel[]} wheels
 * @property {readonly string[]} pipDownloadArgs options of `pip download` that select these wheels
 */

/**
 * Downloads wheels to `downloads` with pip, which knows the user's index, proxy and certificates,
 * and verifies their pinned hashes. Wheels of an interrupted set-up are reused.
 *
 * @param {WheelRequest} request
 * @param {{ downloads: string, scratch: string }} places
 */
export async function fetchWheels({ name, wheels, pipDownloadArgs }, { downloads, scratch }) {
  const missing = []
  for (const wheel of wheels) {
    if (!(await isComplete(join(downloads, wheel.file), wheel))) missing.push(wheel)
  }
  if (missing.length === 0) return
  const pip = await findPip()
  if (pip === undefined) {
    throw new SetupError('E_PREREQUISITE', `pip, which downloads ${name}, is not installed`, {
      hint: `install it: ${installCommand('pip')}`,
    })
  }
  const received = join(scratch, 'wheels')
  await pipDownload(pip, { name, wheels: missing, pipDownloadArgs }, received, scratch)
  for (const wheel of missing) {
    if (!(await isComplete(join(received, wheel.file), wheel))) {
      throw new SetupError(
        'E_DOWNLOAD',
        `pip downloaded no ${wheel.file} with the pinned SHA-256`,
        { hint: "pip's index may serve another build; set PIP_INDEX_URL to another index" },
      )
    }
    await rename(join(received, wheel.file), join(downloads, wheel.file))
  }
}

/**
 * @param {readonly [string, ...string[]]} pip
 * @param {WheelRequest} request
 * @param {string} received
 * @param {string} scratch
 */
async function pipDownload(
  [command, ...args],
  { name, wheels, pipDownloadArgs },
  received,
  scratch,
) {
  const requirements = join(scratch, 'requirements.txt')
  const temporary = join(scratch, 'pip')
  await mkdir(temporary, { recursive: true })
  await writeFile(
    requirements,
    wheels.map(({ requirement, sha256 }) => `${requirement} --hash=sha256:${sha256}\n`).join(''),
  )
  const total = wheels.reduce((sum, { bytes }) => sum + bytes, 0)
  const progress = byteProgress(`${name}: downloading with pip`, total)
  // The progress is the size of pip's temporary folder, because the output of pip depends on the
  // terminal and the version.
  const watch = setInterval(() => {
    bytesIn(temporary).then(
      (bytes) => progress.update(bytes),
      () => {},
    )
  }, 500)
  const { status } = await run(
    command,
    [
      ...args,
      ...['download', '--quiet', '--progress-bar', 'off', '--disable-pip-version-check'],
      ...['--no-deps', '--require-hashes', '--only-binary', ':all:', ...pipDownloadArgs],
      // pip's own cache would store the same files a second time.
      ...['--no-cache-dir', '--dest', received, '--requirement', requirements],
    ],
    { env: { ...process.env, TMPDIR: temporary }, output: 'show' },
  ).finally(() => clearInterval(watch))
  progress.end()
  await rm(temporary, { recursive: true, force: true })
  if (status !== 0) {
    throw new SetupError('E_DOWNLOAD', `pip download failed (exit status ${status})`, {
      hint: 'see the output of pip above; check the network and the index of pip',
    })
  }
}

/**
 * @param {string} path
 * @param {Wheel} wheel
 */
async function isComplete(path, { bytes, sha256 }) {
  const size = await stat(path).then(
    (file) => file.size,
    () => undefined,
  )
  return size === bytes && (await hashFile(path)) === sha256
}

/** @param {string} folder */
async function bytesIn(folder) {
  let bytes = 0
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size
  }
  return bytes
}
