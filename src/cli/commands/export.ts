import { statSync } from 'node:fs'
import type { Command } from 'commander'
import { exportModel, inspect } from '../../index.js'
import { examples } from '../help.js'
import { bytes, count } from '../output/format.js'
import { print, tell } from '../output/streams.js'
import { harmless } from '../output/terminal.js'

interface Flags {
  softmax?: true
  normalization?: true
  json?: true
  quiet?: true
}

/** `residual export` */
export function addExport(program: Command): void {
  const verb = program
    .command('export')
    .description('write a trained network as .onnx (all of it) or .safetensors (its weights)')
    .argument('<model>', 'a run folder, a checkpoint, or weights (.pth, .safetensors)')
    .argument('<file>', 'what to write; its ending decides')
    .option('--softmax', 'let an ONNX file give probabilities instead of logits')
    .option('--normalization', 'let an ONNX file take pixels from 0 to 1')
    .option('--json', 'print what was written, as JSON')
    .option('--quiet', 'print its path alone')
    .action(async (model: string, file: string, flags: Flags) => {
      const { softmax, normalization, json, quiet } = flags
      await exportModel(model, file, { softmax, normalization })
      const { name, input, classes, checkpoint } = await inspect(asPath(model))
      const size = statSync(file).size
      const onnx = file.toLowerCase().endsWith('.onnx')
      if (json) {
        const names = checkpoint?.classes ?? []
        return await print(JSON.stringify({ file, bytes: size, arch: name, input, classes: names }))
      }
      await print(file)
      if (quiet) return
      tell(`${name} of ${harmless(checkpoint?.file ?? model)}, ${bytes(size)}`)
      for (const line of onnx ? tensors(input, classes, flags) : WEIGHTS) tell(line)
    })
  examples(
    verb,
    ['export runs/latest photos.onnx', 'for ONNX Runtime, a browser, a phone, ...'],
    ['export runs/latest photos.onnx --softmax --normalization', 'pixels in, probabilities out'],
    ['export runs/latest photos.safetensors', 'for PyTorch: the names are torchvision’s'],
    ['export resnet18.pth resnet18.onnx', "somebody else's weights"],
  )
}

const WEIGHTS = ["the weights alone, under torchvision's names: load_state_dict(..., strict=True)"]

/** What goes into an ONNX file's network, and what comes out. */
function tensors(input: readonly number[], classes: number, flags: Flags): string[] {
  const pixels = flags.normalization ? 'pixels from 0 to 1' : 'normalised pixels'
  const output = flags.softmax ? 'probabilities' : 'logits'
  return [
    `input   images        [batch, ${input.join(', ')}]  ${pixels}, float32`,
    `output  ${output.padEnd(13)} [batch, ${count(classes)}]`,
  ]
}

/** A bare word would be the name of a network. */
function asPath(model: string): string {
  return /[/\\.]/.test(model) ? model : `./${model}`
}
