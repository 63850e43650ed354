import type { Command } from 'commander'
import { type EvaluateConfig, type Evaluation, evaluate } from '../../bindings/ts/index.js'
import { readValue } from './configuration.js'
import { print } from './output.js'
import { table } from './table.js'
import { count, loss, percent } from './units.js'

interface Flags {
  part?: string
  batchSize?: string
  json?: true
}

/** `residual eval` */
export function addEval(program: Command): void {
  program
    .command('eval')
    .description("measure a trained network's loss and accuracy")
    .argument('<model>', 'a run folder or a checkpoint')
    .argument('[data]', 'a folder or a named data set; by default the one it was trained on')
    .option('--part <part>', 'train, val or test; by default test, where there is one')
    .option('--batch-size <count>', 'images at a time')
    .option('--json', 'print everything measured, as JSON')
    .action(async (model: string, data: string | undefined, flags: Flags) => {
      const config = {
        data,
        part: flags.part,
        batchSize: flags.batchSize && readValue(flags.batchSize),
      }
      // What the user typed; the core checks it.
      const evaluation = await evaluate(model, config as EvaluateConfig)
      await print(flags.json ? JSON.stringify(evaluation) : inWords(evaluation))
    })
}

function inWords(evaluation: Evaluation): string {
  const classes = table(
    ['class', 'accuracy', 'images'],
    evaluation.classes.map((row) => [row.label, percent(row.accuracy), count(row.count)]),
  )
  const summary = [
    `accuracy ${percent(evaluation.accuracy)} of ${count(evaluation.count)} images`,
    `loss ${loss(evaluation.loss)}`,
    // Five guesses say something only among more classes.
    ...(evaluation.classes.length > 5 ? [`top-5 accuracy ${percent(evaluation.top5)}`] : []),
  ]
  return `${classes}\n\n${summary.join(', ')}`
}
