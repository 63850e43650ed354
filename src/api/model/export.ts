import { emitWarnings } from '../../errors/emit-warnings.js'
import { coreAddon } from '../../native/addon.js'
import { toPath } from '../../native/arguments/path.js'
import { serializeOptions } from '../../native/arguments/serialize-config.js'
import type { ExportConfig, WarningEvent } from '../../native/generated.js'
import { unwrapResult } from '../../native/native-result.js'

/**
 * Exports a trained network (`residual export`). The extension selects the format: `.safetensors`
 * contains the weights with torchvision's names, `.onnx` the network (opset 17, dynamic batch
 * size). Does not load libtorch.
 *
 * Also exported as `export`, for `import * as residual`.
 *
 * @example
 * await exportModel('runs/latest', 'photos.onnx', { softmax: true, normalization: true })
 *
 * @param model a run folder (its best checkpoint), a checkpoint, or a weights file
 * @param path the file to write
 * @param config for ONNX, operations to add before and after the network
 * @throws {ResidualError} `E_CHECKPOINT`, `E_MISMATCH`, `E_USAGE` for another extension, `E_WRITE`
 */
export async function exportModel(
  model: string | URL,
  path: string | URL,
  config: ExportConfig = {},
): Promise<void> {
  const [source, target] = [toPath(model, 'model'), toPath(path, 'path')]
  const result = await coreAddon().exportModel(source, target, serializeOptions(config))
  emitWarnings(unwrapResult<WarningEvent[]>(result))
}
