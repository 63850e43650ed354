import type { Plan } from '../../index.js'
import { choices } from './explain-config.js'
import { bytes, count, duration, many, seconds } from './format.js'
import { harmless, roomIn, wrap } from './terminal.js'

/** Places that the name of a row takes. */
const NAME = 11

/**
 * A run that is not made, in words.
 *
 * @param why every value with where it is from, instead of those alone that were chosen
 */
export function planInWords(plan: Plan, why: string | undefined): string {
  const { config, data, memory, time } = plan
  const room = roomIn(process.stdout)
  const parts = [
    `${count(plan.trainImages)} training`,
    ...(plan.valImages > 0 ? [`${count(plan.valImages)} validation`] : []),
    ...(plan.testImages > 0 ? [`${count(plan.testImages)} test`] : []),
  ]
  const steps = plan.totalSteps === null ? '' : `, ${count(plan.totalSteps)} in all`
  const resumed = plan.resumedAt > 0 ? `, from step ${count(plan.resumedAt)} on` : ''
  const rows: [string, string][] = [
    ['data', `${harmless(data.source)}, ${count(data.classes.length)} classes`],
    ['images', parts.join(' + ')],
    ['network', `${config.model.arch}, ${count(plan.parameters)} parameters`],
    ['', `${count(plan.macs)} multiply-adds an image`],
    ['steps', `${count(plan.stepsPerEpoch)} an epoch${steps}${resumed}`],
    ['run folder', harmless(plan.dir)],
    ...plan.warnings.flatMap(({ message, hint }): [string, string][] => [
      ['warning', harmless(message)],
      ...(hint ? [['', harmless(hint)] as [string, string]] : []),
    ]),
  ]
  const lines = [
    'Nothing was trained. This is what would be done:',
    '',
    ...rows.map(([name, value]) => `${name.padEnd(NAME)} ${value}`),
    '',
    ...(why === undefined
      ? [
          'chosen for you (--explain tells all)',
          ...choices(config, room).map((line) => `  ${line}`),
        ]
      : [why]),
    '',
    ...memoryInWords(memory),
    '',
    ...timeInWords(time),
  ]
  // A value with its reason is as wide as its table; all else is words.
  return lines
    .map((line) => (line === why ? line : wrap(line, room, ' '.repeat(NAME + 1))))
    .join('\n')
}

function memoryInWords(memory: Plan['memory']): string[] {
  const { weights, gradients, optimizer, activations, batches, images, total, measured } = memory
  const parts = [
    `${bytes(weights + gradients + optimizer)} weights, gradients and the optimizer's state`,
    `${bytes(activations)} activations of a batch`,
    `${bytes(batches)} batches made ahead`,
  ]
  return [
    `memory      ${bytes(total)}, computed: ${parts[0]},`,
    `            ${parts[1]}, ${parts[2]}`,
    ...(images === 0
      ? []
      : [`            ${bytes(images)} decoded images, kept for the next epoch`]),
    ...(measured === null
      ? []
      : [`            ${bytes(measured)} measured: the most this process had, libtorch and all`]),
  ]
}

function timeInWords(time: Plan['time']): string[] {
  if (time === null) return ['time        not known: no step could be measured']
  const { steps, stepSeconds, fastest, slowest, imagesPerSecond, epochSeconds, totalSeconds } = time
  const whole = totalSeconds === null ? '' : `, ${duration(totalSeconds)} in all`
  const spread = `${seconds(fastest)} to ${seconds(slowest)}`
  return [
    `time        ${duration(epochSeconds)} an epoch${whole}, if this machine keeps its pace`,
    `            measured: ${many(steps, 'step')} on your images, with weights that were thrown away;`,
    `            ${seconds(stepSeconds)} a step (${spread}), ${count(imagesPerSecond)} images a second`,
  ]
}
