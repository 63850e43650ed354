import { basename } from 'node:path'
import type { Command } from 'commander'
import { bashCompletion } from '../completion/bash.js'
import { type CompletionSpec, completionSpec } from '../completion/completion-spec.js'
import { fishCompletion } from '../completion/fish.js'
import { zshCompletion } from '../completion/zsh.js'
import { addExamples } from '../help.js'
import { cliError } from '../messages.js'
import { print } from '../output/streams.js'

/** Generators of the completion script, by shell. */
const GENERATORS: Record<string, (spec: CompletionSpec) => string> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
}

/** Adds `residual completion`. */
export function addCompletion(program: Command): void {
  const command = program
    .command('completion')
    .description('print a shell completion script for commands, options and settings')
    .argument('[shell]', 'bash, zsh or fish (default: the shell named by SHELL)')
    .action(async (name?: string) => {
      const shell = name ?? basename(process.env.SHELL ?? '')
      const generate = Object.hasOwn(GENERATORS, shell) ? GENERATORS[shell] : undefined
      if (generate === undefined)
        throw cliError.unsupportedShell(shell || undefined, Object.keys(GENERATORS))
      await print(generate(await completionSpec(program)).trimEnd())
    })
  addExamples(
    command,
    ['completion bash >> ~/.bashrc', 'install for bash'],
    ['completion zsh > ~/.zfunc/_residual', 'install for zsh, with ~/.zfunc in fpath'],
    ['completion fish > ~/.config/fish/completions/residual.fish', 'install for fish'],
  )
}
