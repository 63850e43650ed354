import { statSync } from 'node:fs'
import type { Command } from 'commander'
import { exportModel, inspect } from '../../index.js'
import { addExamples } from '../help.js'
import { notice } from '../messages.js'
import { formatBytes, formatCount } from '../output/format.js'
import { log, print } from '../output/streams.js'
import { sanitize } from '../output/terminal.js'

interface Flags {
  softmax?: true
  normalization?: true
  json?: true
  quiet?: true
}

/** Adds `residual export`. */
export function addExport(program: Command): void {
  const command = program
    .command('export')
    .description('export a trained network to ONNX, or its weights to safetensors')
    .argument('<model>', 'run folder, checkpoint or weights (.pth, .safetensors)')
    .argument('<file>', 'output file, .onnx or .safetensors')
    .option('--softmax', 'ONNX: output probabilities instead of logits')
    .option(
      '--normalization',
      'ONNX: take pixel values from 0 to 1 and normalize them in the graph',
    )
    .option('--json', 'print a description of the file as JSON')
    .option('--quiet', 'print only the path')
    .action(run)
  addExamples(
    command,
    ['export runs/latest photos.onnx', 'for ONNX Runtime, browsers, phones, ...'],
    [
      'export runs/latest photos.onnx --softmax --normalization',
      'include normalization and softmax',
    ],
    ['export runs/latest photos.safetensors', "for PyTorch, with torchvision's parameter names"],
    ['export resnet18.pth resnet18.onnx', 'convert PyTorch weights'],
  )
}

async function run(model: string, file: string, flags: Flags): Promise<void> {
  const { softmax, normalization, json, quiet } = flags
  await exportModel(model, file, { softmax, normalization })
  const { name, input, classes, checkpoint } = await inspect(asPath(model))
  for (const sentence of checkpoint?.warnings ?? []) log(notice.weightsWarning(sentence))
  const size = statSync(file).size
  const isOnnx = file.toLowerCase().endsWith('.onnx')
  if (json) {
    const labels = checkpoint?.classes ?? []
    return await print(JSON.stringify({ file, bytes: size, arch: name, input, classes: labels }))
  }
  await print(file)
  if (quiet) return
  log(`${name} from ${sanitize(checkpoint?.file ?? model)}, ${formatBytes(size)}`)
  for (const line of isOnnx ? describeTensors(input, classes, flags) : [WEIGHTS_NOTE]) log(line)
}

const WEIGHTS_NOTE =
  "weights only, with torchvision's parameter names: load_state_dict(..., strict=True)"

/** Describes the input and the output of an ONNX graph. */
function describeTensors(input: readonly number[], classes: number, flags: Flags): string[] {
  const pixels = flags.normalization ? 'pixels from 0 to 1' : 'normalized pixels'
  const output = flags.softmax ? 'probabilities' : 'logits'
  return [
    `input   images        [batch, ${input.join(', ')}]  ${pixels}, float32`,
    `output  ${output.padEnd(13)} [batch, ${formatCount(classes)}]`,
  ]
}

/** Prefixes a bare file name with `./`, since `inspect` would take it for an architecture. */
function asPath(model: string): string {
  return /[/\\.]/.test(model) ? model : `./${model}`
}
