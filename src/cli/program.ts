import { Command } from 'commander'
import { VERSION } from '../native/version.js'
import { recordFlags } from './arguments/config-arguments.js'
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
import { addSetup } from './commands/setup.js'
import { addTrain } from './commands/train.js'
import { addVerify } from './commands/verify.js'
import { addExamples, configureHelp } from './help.js'

/** Creates the `residual` program with all its commands. */
export function createProgram(): Command {
  const program = new Command('residual')
    .description('Train and use residual networks (ResNet) for image classification.')
    .version(VERSION)

  program.commandsGroup('Training:')
  addTrain(program)
  addFindLr(program)
  addExperiment(program)
  addRecipes(program)
  program.commandsGroup('Trained networks:')
  addEval(program)
  addPredict(program)
  addExport(program)
  addReport(program)
  addVerify(program)
  addDashboard(program)
  program.commandsGroup('Data and networks:')
  addData(program)
  addInspect(program)
  program.commandsGroup('System:')
  addDoctor(program)
  addSetup(program)
  addBench(program)
  addCompletion(program)
  program.helpCommand('help [command]', 'display help for command')
  addExamples(
    program,
    ['train ./photos', 'train on images, one subfolder per class'],
    ['train --resume runs/latest', 'resume an interrupted run'],
    ['predict runs/latest cat.jpg', 'classify an image'],
    ['train --help', 'options and more examples of a command'],
  )
  program.hook('preAction', (_, command) => recordFlags(command))
  configureHelp(program)
  return program
}
