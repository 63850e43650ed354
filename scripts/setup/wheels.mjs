import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { unpack } from './archive.mjs'
import { run } from './command.mjs'
import { SetupError } from './error.mjs'
import { hashFile } from './manifest.mjs'
import { WHEEL_TAGS, WHEELS } from './pins.mjs'
import { findPip, installCommand } from './prerequisites.mjs'
import { byteProgress } from './progress.mjs'

/** @typedef {import('./pins.mjs').Wheel} Wheel */

// What building and running on a CPU takes, at the places where wheels put it: the libraries find
// each other by paths relative to their own.
const WANTED = [
  /^torch\/include\//,
  /^torch\/lib\/(libtorch_cpu\.so|libc10\.so|libgomp\.so\.1)$/,
  /^torch\/version\.py$/,
  /^nvidia\/cu13\/include\//,
  /^nvidia\/cu13\/lib\/(libcudart|libcupti)\.so\.13$/,
  /^[^/]+\.dist-info\/licenses\//,
]

/**
 * libtorch out of PyTorch's wheel, downloaded by pip: it knows the user's index, proxy and
 * certificates.
 *
 * @type {import('./install.mjs').Source}
 */
export const wheels = {
  name: 'pip',
  // pip holds each wheel twice for a moment, then they lie beside what is unpacked.
  bytesNeeded: 1_300_000_000,
  async unpackInto(folder, { downloads, scratch }) {
    await fetchWheels(WHEELS, downloads, scratch)
    const files = []
    const progress = byteProgress('libtorch: unpacking', 504_000_000)
    let unpacked = 0
    for (const { file } of WHEELS) {
      const wanted = await unpack(
        join(downloads, file),
        folder,
        (name) => (WANTED.some((pattern) => pattern.test(name)) ? name : undefined),
        (bytes) => {
          unpacked += bytes
          progress.update(unpacked)
        },
      )
      files.push(...wanted)
    }
    progress.end()
    return {
      torch: { lib: join(folder, 'torch', 'lib'), include: join(folder, 'torch', 'include') },
      files,
    }
  },
}

/**
 * Leaves every wheel in `downloads`, whole and with the hash that is pinned for it. Those that an
 * interrupted set-up left there are used.
 *
 * @param {readonly Wheel[]} wanted
 * @param {string} downloads
 * @param {string} scratch
 */
async function fetchWheels(wanted, downloads, scratch) {
  const missing = []
  for (const wheel of wanted) {
    if (!(await isWhole(join(downloads, wheel.file), wheel))) missing.push(wheel)
  }
  if (missing.length === 0) return
  const pip = await findPip()
  if (pip === undefined) {
    throw new SetupError('E_PREREQUISITE', 'pip is not there to download libtorch with', {
      hint: `install it: ${installCommand('pip')}`,
    })
  }
  const arrived = join(scratch, 'wheels')
  await pipDownload(pip, missing, arrived, scratch)
  for (const wheel of missing) {
    if (!(await isWhole(join(arrived, wheel.file), wheel))) {
      throw new SetupError('E_DOWNLOAD', `pip brought no ${wheel.file} with the pinned SHA-256`, {
        hint: 'the index that pip is set to may serve another build; LIBTORCH can name a libtorch',
      })
    }
    await rename(join(arrived, wheel.file), join(downloads, wheel.file))
  }
}

/**
 * @param {readonly [string, ...string[]]} pip
 * @param {readonly Wheel[]} missing
 * @param {string} arrived
 * @param {string} scratch
 */
async function pipDownload([command, ...args], missing, arrived, scratch) {
  const requirements = join(scratch, 'requirements.txt')
  const temporary = join(scratch, 'pip')
  await mkdir(temporary, { recursive: true })
  await writeFile(
    requirements,
    missing.map(({ requirement, sha256 }) => `${requirement} --hash=sha256:${sha256}\n`).join(''),
  )
  const total = missing.reduce((sum, { bytes }) => sum + bytes, 0)
  const progress = byteProgress('libtorch: downloading with pip', total)
  // pip says nothing of its progress unless on a terminal, and not in one form; what it has written
  // into its temporary folder does.
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
      ...['--no-deps', '--require-hashes', '--only-binary', ':all:', ...WHEEL_TAGS],
      // The cache that matters is ours; pip's would hold the same half gigabyte a second time.
      ...['--no-cache-dir', '--dest', arrived, '--requirement', requirements],
    ],
    { env: { ...process.env, TMPDIR: temporary }, output: 'show' },
  ).finally(() => clearInterval(watch))
  progress.end()
  await rm(temporary, { recursive: true, force: true })
  if (status !== 0) {
    throw new SetupError('E_DOWNLOAD', `pip download failed (exit status ${status})`, {
      hint: 'pip says above what it could not fetch; check the network and the index it is set to',
    })
  }
}

/**
 * @param {string} path
 * @param {Wheel} wheel
 */
async function isWhole(path, { bytes, sha256 }) {
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
