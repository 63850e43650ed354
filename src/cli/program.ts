import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { addBench } from './commands/bench.js'
import { addCompletion } from './commands/completion.js'
import { addDashboard } from './commands/dashboard.js'
import { addData } from './commands/data.js'
import { addDoctor } from './commands/doctor.js'
import { addEval } from './commands/eval.js'
import { addExperiment } from './commands/experiment.js'
import { addExport } from './commands/export.js'
import { addFindLr } from './commands/find-lr.js'
import { addInspect } from './commands/inspect.js'
import { addPredict } from './commands/predict.js'
import { addRecipes } from './commands/recipes.js'
import { addReport } from './commands/report.js'
import { addTrain } from './commands/train.js'
import { dress, examples } from './help.js'

const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')

/** `residual`, with all its commands. */
export function createProgram(): Command {
  const program = new Command('residual')
    .description('Train residual networks on images, natively.')
    .version(JSON.parse(manifest).version)

  program.commandsGroup('Train:')
  addTrain(program)
  addFindLr(program)
  addExperiment(program)
  addRecipes(program)
  program.commandsGroup('Use what was trained:')
  addEval(program)
  addPredict(program)
  addExport(program)
  addReport(program)
  addDashboard(program)
  program.commandsGroup('Look at data and networks:')
  addData(program)
  addInspect(program)
  program.commandsGroup('This machine:')
  addDoctor(program)
  addBench(program)
  program.commandsGroup('More:')
  addCompletion(program)
  program.helpCommand('help [command]', "show a command's help")
  examples(
    program,
    ['train ./photos', 'train on a folder that has a folder of pictures for each class'],
    ['train --resume runs/latest', 'go on after Ctrl-C'],
    ['predict runs/latest cat.jpg', 'ask the network what it sees'],
    ['train --help', 'more, and more examples; likewise for every command'],
  )
  dress(program)
  return program
}
