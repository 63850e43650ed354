import type { Command } from 'commander'
import { recipes } from '../../index.js'
import { addExamples } from '../help.js'
import { print } from '../output/streams.js'
import { outputWidth, wrap } from '../output/terminal.js'

/** Adds `residual recipes`. */
export function addRecipes(program: Command): void {
  const command = program
    .command('recipes')
    .description('list the training configurations for `train --recipe`')
    .option('--json', 'print the recipes with all their settings as JSON')
    .action(async (flags: { json?: true }) => {
      const all = await recipes()
      if (flags.json) return await print(JSON.stringify(all))
      const width = outputWidth(process.stdout)
      const entries = all.map(({ name, description, source, published }) =>
        [
          name,
          wrap(`  ${description}`, width, '  '),
          wrap(`  source: ${source}`, width, '    '),
          wrap(`  published: ${published}`, width, '    '),
        ].join('\n'),
      )
      await print(entries.join('\n\n'))
    })
  addExamples(
    command,
    ['recipes', 'list the recipes with their published results'],
    ['train cifar10 --recipe he2015-cifar', 'train with a recipe'],
  )
}
