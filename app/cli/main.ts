#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { addData } from './data.js'
import { addEval } from './eval.js'
import { addExperiment } from './experiment.js'
import { addExport } from './export.js'
import { report } from './failure.js'
import { addFindLr } from './find-lr.js'
import { addInspect } from './inspect.js'
import { endWithItsReader } from './output.js'
import { addPredict } from './predict.js'
import { addRecipes } from './recipes.js'
import { addReport } from './report.js'
import { addTrain } from './train.js'

const manifest = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')

const program = new Command('residual')
  .description('Train residual networks on images, natively.')
  .version(JSON.parse(manifest).version)
  .showHelpAfterError('(see --help)')
  .exitOverride() // its own exit status for a wrong usage is 1; ours is 2

addTrain(program)
addEval(program)
addPredict(program)
addExport(program)
addReport(program)
addInspect(program)
addFindLr(program)
addRecipes(program)
addExperiment(program)
addData(program)

endWithItsReader(process.stdout)
try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = report(error)
}
