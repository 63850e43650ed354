import { coreAddon } from '../../native/addon.js'
import { toPath } from '../../native/arguments/path.js'
import type { RunVerification } from '../../native/generated.js'
import { unwrapResult } from '../../native/native-result.js'

/**
 * Verifies the files of a run (`residual verify`): the checksums of every tensor and of the metadata
 * of all checkpoints, and the structure of all other files. Changes nothing and does not load
 * libtorch.
 *
 * @example
 * const { ok, files } = await verify('runs/latest')
 * if (!ok) console.error(files.filter(({ status }) => status === 'damaged'))
 *
 * @param path a run folder, a checkpoint, or a weights file; files of other programs have no
 *   checksums and are `unverified`
 * @throws {ResidualError} `E_CHECKPOINT` if the path is neither a run folder nor a file; `E_IO`
 */
export async function verify(path: string | URL): Promise<RunVerification> {
  return unwrapResult(await coreAddon().verifyRun(toPath(path, 'path')))
}
