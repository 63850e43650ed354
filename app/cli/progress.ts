import { createLogUpdate } from 'log-update'
import type {
  EpochEvent,
  RunEvent,
  StartEvent,
  StepEvent,
  WarningEvent,
} from '../../bindings/ts/index.js'
import { paint } from './paint.js'
import { count, duration, loss, percent } from './units.js'

const { stderr } = process

/** The least time between two states of the live line, in milliseconds. */
const REFRESH = 100
const BAR = 24

/**
 * Shows a run on stderr as it goes: a line an epoch and, on a terminal, a line below that lives.
 */
export class Progress {
  readonly #live = stderr.isTTY ? createLogUpdate(stderr, { showCursor: true }) : undefined
  #epochs: number | undefined
  #drawn = 0

  show(event: RunEvent): void {
    switch (event.type) {
      case 'start':
        this.#epochs = event.config.epochs ?? undefined
        this.note(beginning(event))
        break
      case 'step':
        this.#draw(event)
        break
      case 'epoch':
        this.note(this.#row(event))
        break
      case 'warning':
        this.note(warning(event))
        break
    }
  }

  /** Says something above the live line. */
  note(text: string): void {
    this.end()
    stderr.write(`${text}\n`)
  }

  /** Leaves the terminal as it was. */
  end(): void {
    this.#live?.clear()
  }

  #draw(step: StepEvent): void {
    if (this.#live === undefined || Date.now() - this.#drawn < REFRESH) return
    this.#drawn = Date.now()
    const done = step.stepInEpoch / step.stepsPerEpoch
    const filled = Math.round(BAR * done)
    const bar = '━'.repeat(filled) + paint(stderr, 'dim', '─'.repeat(BAR - filled))
    const parts = [
      this.#epoch(step.epoch),
      `${bar} ${step.stepInEpoch}/${step.stepsPerEpoch}`,
      field('loss', loss(step.epochLoss)),
      field('acc', percent(step.epochAccuracy)),
      `${count(step.imagesPerSecond)} img/s`,
      ...(step.etaSeconds === null ? [] : [field('eta', duration(step.etaSeconds))]),
    ]
    this.#live(parts.join('  '))
  }

  #row({ epoch, train, val, best, imagesPerSecond, seconds }: EpochEvent): string {
    const parts = [
      this.#epoch(epoch),
      field('loss', loss(train.loss)),
      field('acc', percent(train.accuracy)),
      ...(val === null
        ? []
        : [field('val loss', loss(val.loss)), field('val acc', percent(val.accuracy))]),
      `${count(imagesPerSecond)} img/s`,
      duration(seconds),
      ...(best ? [paint(stderr, 'green', 'best')] : []),
    ]
    return parts.join('  ')
  }

  #epoch(epoch: number): string {
    const of = this.#epochs === undefined ? '' : `/${this.#epochs}`
    return field('epoch', `${String(epoch).padStart(String(this.#epochs ?? '').length)}${of}`)
  }
}

function beginning(event: StartEvent): string {
  const { config, data } = event
  const images = [
    `${count(event.trainImages)} training`,
    ...(event.valImages > 0 ? [`${count(event.valImages)} validation`] : []),
    ...(event.testImages > 0 ? [`${count(event.testImages)} test`] : []),
  ]
  const lines = [
    `${config.model.arch}, ${count(event.parameters)} parameters, ${config.precision} on ${config.device}`,
    `${data.source}, ${data.classes.length} classes, ${images.join(' + ')} images`,
    event.resumedAt > 0 ? `${event.dir}, from step ${count(event.resumedAt)} on` : event.dir,
  ]
  return lines.join('\n')
}

function warning({ code, message, hint }: WarningEvent): string {
  const label = paint(stderr, 'yellow', 'warning')
  return [
    `${label}: ${message} ${paint(stderr, 'dim', `(${code})`)}`,
    ...(hint ? [`  ${hint}`] : []),
  ].join('\n')
}

function field(name: string, value: string): string {
  return `${paint(stderr, 'dim', name)} ${value}`
}
