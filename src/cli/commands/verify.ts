import type { Command } from 'commander'
import { exitStatus, verify } from '../../index.js'
import { addExamples } from '../help.js'
import { formatBytes } from '../output/format.js'
import { print } from '../output/streams.js'
import { outputWidth, sanitize } from '../output/terminal.js'
import { formatTable } from '../output/text-table.js'

/** Adds `residual verify`. */
export function addVerify(program: Command): void {
  const command = program
    .command('verify')
    .description('verify the checkpoints and the structure of all other files of runs')
    .argument('<runs...>', 'run folders, checkpoints or weights')
    .option('--json', 'print the result of each run as JSON, one per line')
    .action(run)
  addExamples(
    command,
    ['verify runs/latest', 'find damaged and missing files'],
    ['verify photos.safetensors', 'verify exported weights'],
  )
}

async function run(paths: string[], { json }: { json?: true }): Promise<void> {
  for (const path of paths) {
    const result = await verify(path)
    if (!result.ok) process.exitCode = exitStatus.E_CHECKPOINT
    if (json) {
      await print(JSON.stringify(result))
      continue
    }
    const rows = result.files.map(({ file, status, bytes, detail }) => [
      sanitize(file),
      status,
      bytes === null ? '' : formatBytes(bytes),
      sanitize(detail),
    ])
    const layout = { left: [0, 1, 3], width: outputWidth(process.stdout), wrapLast: true }
    await print(
      `${sanitize(result.path)}\n${formatTable(['file', 'status', 'size', 'content'], rows, layout)}`,
    )
  }
}
