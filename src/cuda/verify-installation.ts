import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { hashFile } from '../download/checksum.js'
import { throwIfAborted } from '../download/download-error.js'
import { type InstalledFile, MANIFEST, readManifest } from '../native/cuda-installation.js'
import type { OnCudaSetupProgress } from './progress.js'

/** A file of the CUDA libraries, compared with the manifest of the installation. */
export interface VerifiedCudaFile {
  file: string
  ok: boolean
  /** Description of the damage; null if there is none. */
  problem: string | null
}

/** The result of `verifyCuda()`. */
export interface CudaVerification {
  folder: string
  /** Whether the CUDA libraries are complete and unchanged. */
  ok: boolean
  files: VerifiedCudaFile[]
}

/** Compares the checksum of each installed file with the manifest. */
export async function verifyInstallation(
  folder: string,
  signal?: AbortSignal,
  onProgress?: OnCudaSetupProgress,
): Promise<CudaVerification> {
  const manifest = readManifest(folder)
  if (manifest === undefined) {
    const problem = 'missing or damaged'
    return { folder, ok: false, files: [{ file: MANIFEST, ok: false, problem }] }
  }
  const total = manifest.files.reduce((sum, { bytes }) => sum + bytes, 0)
  const files: VerifiedCudaFile[] = []
  let done = 0
  for (const file of manifest.files) {
    throwIfAborted(signal)
    onProgress?.({ phase: 'verify', file: file.path, bytes: done, total })
    const problem = await findDamage(join(manifest.root ?? folder, file.path), file, signal)
    files.push({ file: file.path, ok: problem === null, problem })
    done += file.bytes
  }
  return { folder, ok: files.every(({ ok }) => ok), files }
}

async function findDamage(
  path: string,
  { bytes, sha256 }: InstalledFile,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  try {
    const { size } = await stat(path)
    if (size !== bytes) return `${size} bytes instead of ${bytes}`
    if (sha256 === null) return null
    const found = await hashFile(path, { signal })
    return found.sha256 === sha256 ? null : `SHA-256 ${found.sha256} instead of ${sha256}`
  } catch (error) {
    throwIfAborted(signal)
    const { code, message } = error as NodeJS.ErrnoException
    return code === 'ENOENT' ? 'missing' : message
  }
}
