import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../command.mjs'
import { byteProgress } from '../download/progress.mjs'
import { unpack } from '../download/unzip.mjs'
import { SetupError } from '../error.mjs'
import { findPip, installCommand } from '../prerequisites.mjs'
import { hashFile } from './manifest.mjs'
import { LIBTORCH_PINS } from './pins.mjs'

/** @typedef {import('./pins.mjs').Wheel} Wheel */

// Pinned files exist: set-up refuses an unsupported platform first.
const { wheels: WHEELS, pipDownloadArgs: PIP_DOWNLOAD_ARGS } =
  /** @type {import('./pins.mjs').LibtorchPins} */ (LIBTORCH_PINS)

// Files needed to build and run on a CPU. They keep the paths that they have in the wheels, because
// the libraries find each other by relative paths.
const FILES = [
  /^torch\/include\//,
  /^torch\/lib\/((libtorch_cpu|libc10)\.(so|dylib)|libgomp\.so\.1|libomp\.dylib)$/,
  /^torch\/version\.py$/,
  /^nvidia\/cu13\/include\//,
  /^nvidia\/cu13\/lib\/(libcudart|libcupti)\.so\.13$/,
  /^[^/]+\.dist-info\/licenses\//,
]

/**
 * The libtorch in PyTorch's wheel, downloaded with pip, which knows the user's index, proxy and
 * certificates.
 *
 * @type {import('./install.mjs').Source}
 */
export const wheels = {
  name: 'pip',
  // pip temporarily stores each wheel twice; later wheels and unpacked files coexist.
  bytesNeeded: 1_300_000_000,
  async unpackInto(folder, { downloads, scratch }) {
    await fetchWheels(WHEELS, downloads, scratch)
    const files = []
    const progress = byteProgress('libtorch: unpacking', 504_000_000)
    let unpacked = 0
    for (const { file } of WHEELS) {
      const unpackedFiles = await unpack(
        join(downloads, file),
        folder,
        (name) => (FILES.some((pattern) => pattern.test(name)) ? name : undefined),
        (bytes) => {
          unpacked += bytes
          progress.update(unpacked)
        },
      )
      files.push(...unpackedFiles)
    }
    progress.end()
    return {
      torch: { lib: join(folder, 'torch', 'lib'), include: join(folder, 'torch', 'include') },
      files,
    }
  },
}

/**
 * Downloads the wheels to `downloads` and verifies their pinned hashes. Wheels of an interrupted
 * set-up are reused.
 *
 * @param {readonly Wheel[]} wheels
 * @param {string} downloads
 * @param {string} scratch
 */
async function fetchWheels(wheels, downloads, scratch) {
  const missing = []
  for (const wheel of wheels) {
    if (!(await isComplete(join(downloads, wheel.file), wheel))) missing.push(wheel)
  }
  if (missing.length === 0) return
  const pip = await findPip()
  if (pip === undefined) {
    throw new SetupError('E_PREREQUISITE', 'pip, which downloads libtorch, is not installed', {
      hint: `install it: ${installCommand('pip')}`,
    })
  }
  const received = join(scratch, 'wheels')
  await pipDownload(pip, missing, received, scratch)
  for (const wheel of missing) {
    if (!(await isComplete(join(received, wheel.file), wheel))) {
      throw new SetupError(
        'E_DOWNLOAD',
        `pip downloaded no ${wheel.file} with the pinned SHA-256`,
        {
          hint: "pip's index may serve another build; set LIBTORCH to the folder of a libtorch",
        },
      )
    }
    await rename(join(received, wheel.file), join(downloads, wheel.file))
  }
}

/**
 * @param {readonly [string, ...string[]]} pip
 * @param {readonly Wheel[]} missing
 * @param {string} received
 * @param {string} scratch
 */
async function pipDownload([command, ...args], missing, received, scratch) {
  const requirements = join(scratch, 'requirements.txt')
  const temporary = join(scratch, 'pip')
  await mkdir(temporary, { recursive: true })
  await writeFile(
    requirements,
    missing.map(({ requirement, sha256 }) => `${requirement} --hash=sha256:${sha256}\n`).join(''),
  )
  const total = missing.reduce((sum, { bytes }) => sum + bytes, 0)
  const progress = byteProgress('libtorch: downloading with pip', total)
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
      ...['--no-deps', '--require-hashes', '--only-binary', ':all:', ...PIP_DOWNLOAD_ARGS],
      // pip's own cache would store the same half gigabyte a second time.
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
