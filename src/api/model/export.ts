import { coreAddon } from '../../native/addon.js'
import { toPath } from '../../native/arguments/path.js'
import { serializeConfig } from '../../native/arguments/serialize-config.js'
import type { ExportConfig } from '../../native/generated.js'
import { unwrapResult } from '../../native/native-result.js'

/**
 * Writes a trained network for use elsewhere. What the file's name ends in decides: `.safetensors`
 * holds the weights alone, under torchvision's names; `.onnx` the whole network, opset 17, for any
 * number of images at a time. Needs no libtorch.
 *
 * The same as `residual export`; also exported under that name, for `import * as residual`.
 *
 * @example
 * await exportModel('runs/latest', 'photos.onnx', { softmax: true, normalization: true })
 *
 * @param model a run folder (its best checkpoint is taken), a checkpoint, or weights of others
 * @param path the file to write
 * @throws {ResidualError} `E_CHECKPOINT`, `E_MISMATCH`, `E_USAGE` for another ending, `E_WRITE`
 */
export async function exportModel(
  model: string | URL,
  path: string | URL,
  config: ExportConfig = {},
): Promise<void> {
  const [from, to, request] = [
    toPath(model, 'model'),
    toPath(path, 'path'),
    serializeConfig(config),
  ]
  unwrapResult<null>(await coreAddon().exportModel(from, to, request))
}
