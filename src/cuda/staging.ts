import { randomUUID } from 'node:crypto'
import { mkdir, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { rethrowIfAborted, throwIfAborted, toWriteError } from '../download/download-error.js'
import { withLock } from '../download/file-lock.js'
import { ResidualError } from '../errors/errors.js'
import { type CudaManifest, MANIFEST } from '../native/cuda-installation.js'
import type { PinnedWheel } from './pinned-wheel.js'

/** Options of a change of the installation. */
export interface ChangeOptions {
  signal?: AbortSignal | undefined
  /** Called if another process holds the lock. */
  onWait?: (() => void) | undefined
  /** Time in ms after which the lock of a process that was killed is taken over. */
  staleLockAfter?: number | undefined
}

/** Returns the folder of the downloaded wheels, which survives an interrupted installation. */
export function downloadsFolder(folder: string): string {
  return `${folder}.downloads`
}

/**
 * Changes an installation: holds its lock, and removes the remains of changes that were
 * interrupted. Errors of the file system become `E_WRITE`.
 */
export async function changeInstallation<T>(
  folder: string,
  { signal, onWait, staleLockAfter }: ChangeOptions,
  change: () => Promise<T>,
): Promise<T> {
  try {
    throwIfAborted(signal)
    await mkdir(dirname(folder), { recursive: true })
    return await withLock(
      `${folder}.lock`,
      async () => {
        await removeStagings(folder)
        return await change()
      },
      {
        checkAborted: () => throwIfAborted(signal),
        ...(onWait !== undefined && { onWait }),
        ...(staleLockAfter !== undefined && { staleAfter: staleLockAfter }),
      },
    )
  } catch (error) {
    rethrowIfAborted(error, signal)
    throw error instanceof ResidualError ? error : (toWriteError(error, folder) ?? error)
  }
}

/**
 * Runs `fill` on a new folder, writes the manifest that it returns, and renames the folder to
 * `folder`. An earlier installation is replaced. If anything fails, it remains as it was.
 */
export async function replaceInstallation(
  folder: string,
  fill: (staging: string) => Promise<CudaManifest>,
): Promise<void> {
  const staging = stagingPath(folder)
  const installed = join(staging, 'new')
  try {
    await mkdir(installed, { recursive: true })
    const manifest = await fill(installed)
    await writeDurably(join(installed, MANIFEST), `${JSON.stringify(manifest, undefined, 1)}\n`)
    const old = join(staging, 'old')
    await moveAside(folder, old)
    try {
      await rename(installed, folder)
    } catch (error) {
      await moveAside(old, folder).catch(() => {}) // the first error is the cause
      throw error
    }
    await syncFolder(dirname(folder))
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}

/** Returns whether there is anything that `removeInstallation` removes. */
export async function isPresent(folder: string): Promise<boolean> {
  const names = await readdir(dirname(folder)).catch(() => [])
  return names.some((name) => name === basename(folder) || name.startsWith(`${basename(folder)}.`))
}

/** Removes an installation and its downloads. The lock must be held. */
export async function removeInstallation(folder: string): Promise<void> {
  const staging = stagingPath(folder)
  await mkdir(staging)
  // After the renaming, no process finds a partially removed installation.
  await moveAside(folder, join(staging, 'old'))
  await rm(staging, { recursive: true, force: true })
  await rm(downloadsFolder(folder), { recursive: true, force: true })
}

/**
 * Returns the number of bytes of the wheels that were downloaded completely or in part. Of several
 * builds of a wheel, the largest counts, because only one is installed.
 */
export async function receivedBytes(
  downloads: string,
  wheels: readonly PinnedWheel[],
): Promise<number> {
  let received = 0
  for (const { builds } of wheels) {
    const names = builds.flatMap(({ file }) => [file, `${file}.part`])
    const sizes = names.map((name) =>
      stat(join(downloads, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    )
    received += Math.max(0, ...(await Promise.all(sizes)))
  }
  return received
}

/** Returns the free bytes on the disk of an existing folder. */
export async function freeBytesIn(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}

function stagingPath(folder: string): string {
  return `${folder}.staging-${randomUUID()}`
}

async function removeStagings(folder: string): Promise<void> {
  const prefix = `${basename(folder)}.staging-`
  for (const name of await readdir(dirname(folder))) {
    if (!name.startsWith(prefix)) continue
    await rm(join(dirname(folder), name), { recursive: true, force: true })
  }
}

async function moveAside(path: string, to: string): Promise<void> {
  try {
    await rename(path, to)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  await using file = await open(path, 'wx')
  await file.writeFile(text)
  await file.sync()
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r')
  await folder.sync().catch(() => {}) // not supported by every file system
}
