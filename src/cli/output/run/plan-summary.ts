import type { Plan } from '../../../index.js'
import { notice } from '../../messages.js'
import { formatBytes, formatCount, formatDuration, formatSeconds, pluralize } from '../format.js'
import { outputWidth, sanitize, wrap } from '../terminal.js'
import { formatChosenValues } from './explain-config.js'

/** Width of the names of the rows. */
const NAME_WIDTH = 11

/**
 * Formats the plan of `train --dry-run`.
 *
 * @param explanation every value with its origin, instead of only the automatically chosen ones
 */
export function formatPlan(plan: Plan, explanation: string | undefined): string {
  const { config, data, memory, time } = plan
  const width = outputWidth(process.stdout)
  const images = [
    `${formatCount(plan.trainImages)} training`,
    ...(plan.valImages > 0 ? [`${formatCount(plan.valImages)} validation`] : []),
    ...(plan.testImages > 0 ? [`${formatCount(plan.testImages)} test`] : []),
  ]
  const total = plan.totalSteps === null ? '' : `, ${formatCount(plan.totalSteps)} in total`
  const resumed = plan.startStep > 0 ? `, resumed at step ${formatCount(plan.startStep)}` : ''
  const rows: [string, string][] = [
    ['data', `${sanitize(data.source)}, ${formatCount(data.classes.length)} classes`],
    ['images', images.join(' + ')],
    ['network', `${config.model.arch}, ${formatCount(plan.parameters)} parameters`],
    ['', `${formatCount(plan.macs)} multiply-adds per image`],
    ['steps', `${formatCount(plan.stepsPerEpoch)} per epoch${total}${resumed}`],
    ['run folder', sanitize(plan.dir)],
    ...plan.warnings.flatMap(({ message, hint }): [string, string][] => [
      ['warning', sanitize(message)],
      ...(hint ? [['', sanitize(hint)] as [string, string]] : []),
    ]),
  ]
  const lines = [
    'Dry run: nothing was trained. The run would use:',
    '',
    ...rows.map(([name, value]) => `${name.padEnd(NAME_WIDTH)} ${value}`),
    '',
    ...(explanation === undefined
      ? [notice.chosenValues, ...formatChosenValues(config, width).map((line) => `  ${line}`)]
      : [explanation]),
    '',
    ...formatMemory(memory),
    '',
    ...formatTime(time),
  ]
  // The explanation is a table, which must not be wrapped.
  return lines
    .map((line) => (line === explanation ? line : wrap(line, width, indentOf(line))))
    .join('\n')
}

/** Returns the indentation of the continuation of a row, or of a sentence. */
function indentOf(line: string): string {
  const isRow = /^ *\S+( \S+)? {2}|^ {4}/.test(line)
  return isRow ? ' '.repeat(NAME_WIDTH + 1) : '  '
}

function formatMemory(memory: Plan['memory']): string[] {
  const { weights, gradients, optimizer, activations, batches, images, total, measured } = memory
  const state = formatBytes(weights + gradients + optimizer)
  return [
    `memory      ${formatBytes(total)} estimated: ${state} weights, gradients and optimizer state,`,
    `            ${formatBytes(activations)} activations of a batch, ${formatBytes(batches)} prefetched batches`,
    ...(images === 0 ? [] : [`            ${formatBytes(images)} cache of decoded images`]),
    ...(measured === null
      ? []
      : [
          `            ${formatBytes(measured)} measured: peak memory of this process with libtorch`,
        ]),
  ]
}

function formatTime(time: Plan['time']): string[] {
  if (time === null) return ['time        unknown: no step could be measured']
  const {
    steps,
    stepSeconds,
    minStepSeconds,
    maxStepSeconds,
    imagesPerSecond,
    epochSeconds,
    totalSeconds,
  } = time
  const total = totalSeconds === null ? '' : `, ${formatDuration(totalSeconds)} in total`
  const range = `${formatSeconds(minStepSeconds)} to ${formatSeconds(maxStepSeconds)}`
  const measured = pluralize(steps, 'step')
  return [
    `time        ${formatDuration(epochSeconds)} per epoch${total} (estimate)`,
    `            measured: ${measured} on your images, with discarded weights;`,
    steps === 1
      ? `            ${formatSeconds(stepSeconds)}; a single step is a rough estimate`
      : `            median ${formatSeconds(stepSeconds)} per step (${range}), ${formatCount(imagesPerSecond)} images/s`,
  ]
}
