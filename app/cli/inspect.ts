import type { Command } from 'commander'
import { inspect } from '../../bindings/ts/index.js'
import { applySetting, type Draft, set } from './configuration.js'
import { print } from './output.js'

/** `residual inspect` */
export function addInspect(program: Command): void {
  program
    .command('inspect')
    .description("list a network's layers with their output, parameters and multiply-adds")
    .argument('<network>', 'resnet18, resnet20, ...')
    .argument('[settings...]', 'imageSize=32 channels=1 classes=10 model.shortcut=B')
    .option('--table', 'one line a layer, in the order in which an image passes them')
    .option('--json', 'print JSON')
    .action(async (network: string, settings: string[], flags: { json?: true; table?: true }) => {
      const draft: Draft = {}
      set(draft, 'model.arch', network)
      for (const setting of settings) applySetting(draft, setting)
      const inspection = await inspect(draft)
      const text = flags.table ? inspection.table : inspection.text
      await print(flags.json ? JSON.stringify(inspection) : text.trimEnd())
    })
}
