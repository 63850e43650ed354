import type { Command } from 'commander'
import { exportModel } from '../../bindings/ts/index.js'
import { print } from './output.js'

interface Flags {
  softmax?: true
  normalization?: true
}

/** `residual export` */
export function addExport(program: Command): void {
  program
    .command('export')
    .description('write a trained network as .safetensors (its weights) or .onnx (all of it)')
    .argument('<model>', 'a run folder, a checkpoint, or weights (.pth, .safetensors)')
    .argument('<file>', 'what to write; its ending decides')
    .option('--softmax', 'let an ONNX file give probabilities instead of logits')
    .option('--normalization', 'let an ONNX file take pixels from 0 to 1')
    .action(async (model: string, file: string, { softmax, normalization }: Flags) => {
      await exportModel(model, file, { softmax, normalization })
      await print(file)
    })
}
