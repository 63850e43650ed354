import type { Command } from 'commander'
import { recipes } from '../../index.js'
import { examples } from '../help.js'
import { print } from '../output/streams.js'
import { roomIn, wrap } from '../output/terminal.js'

/** `residual recipes` */
export function addRecipes(program: Command): void {
  const verb = program
    .command('recipes')
    .description('list published ways to train, for `train --recipe`')
    .option('--json', 'print all that they set, as JSON')
    .action(async (flags: { json?: true }) => {
      const all = await recipes()
      const room = roomIn(process.stdout)
      const inWords = all.map(({ name, description, source, published }) =>
        [
          name,
          wrap(`  ${description}`, room, '  '),
          wrap(`  source: ${source}`, room, '    '),
          wrap(`  published: ${published}`, room, '    '),
        ].join('\n'),
      )
      await print(flags.json ? JSON.stringify(all) : inWords.join('\n\n'))
    })
  examples(
    verb,
    ['recipes', 'what there is, and what each reached'],
    ['train cifar10 --recipe he2015-cifar', 'one of them'],
  )
}
