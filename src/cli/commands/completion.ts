import { basename } from 'node:path'
import type { Command } from 'commander'
import { bash } from '../completion/bash.js'
import { fish } from '../completion/fish.js'
import { type Vocabulary, vocabulary } from '../completion/vocabulary.js'
import { zsh } from '../completion/zsh.js'
import { examples } from '../help.js'
import { refusal } from '../messages.js'
import { print } from '../output/streams.js'

/** What each shell is taught by. */
const WRITERS: Record<string, (words: Vocabulary) => string> = { bash, zsh, fish }

/** `residual completion` */
export function addCompletion(program: Command): void {
  const verb = program
    .command('completion')
    .description('print a script with which the shell completes commands, options and keys')
    .argument('[shell]', 'bash, zsh or fish; by default the one that SHELL names')
    .action(async (named?: string) => {
      const shell = named ?? basename(process.env.SHELL ?? '')
      const writer = Object.hasOwn(WRITERS, shell) ? WRITERS[shell] : undefined
      if (writer === undefined) throw refusal.shell(shell || undefined, Object.keys(WRITERS))
      await print((await writer(await vocabulary(program))).trimEnd())
    })
  examples(
    verb,
    ['completion bash >> ~/.bashrc', 'bash, from the next shell on'],
    ['completion zsh > ~/.zfunc/_residual', 'zsh, with ~/.zfunc in its fpath'],
    ['completion fish > ~/.config/fish/completions/residual.fish', 'fish'],
  )
}
