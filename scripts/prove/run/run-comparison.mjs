// Compares two run folders: everything but times and the paths of the folders.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findDifferences, readCheckpoint } from './checkpoint-file.mjs'

/**
 * Returns the values of two runs that are not equal, empty if the runs are the same to the bit:
 * tensors, position and configuration of every checkpoint, config.json, metrics of every epoch,
 * evaluation.json and result.json.
 *
 * @param {string} a
 * @param {string} b
 * @returns {string[]}
 */
export function compareRuns(a, b) {
  const [aNames, bNames] = [a, b].map(listCheckpoints)
  /** @type {[string, (run: string) => unknown][]} */
  const values = [
    ['config.json', readConfig],
    ['metrics.jsonl', readEpochs],
    ['metrics.csv', readRows],
    ['evaluation.json', readEvaluation],
    ['result.json', readResult],
  ]
  return [
    ...(`${aNames}` === `${bNames}` ? [] : [`checkpoints ${bNames} instead of ${aNames}`]),
    ...aNames
      .filter((name) => bNames.includes(name))
      .flatMap((name) =>
        compareCheckpoints(join(a, 'checkpoints', name), join(b, 'checkpoints', name)).map(
          (difference) => `${name}: ${difference}`,
        ),
      ),
    ...values
      .filter(([, read]) => JSON.stringify(read(a)) !== JSON.stringify(read(b)))
      .map(([name]) => name),
  ]
}

/**
 * Returns the names of the values of two checkpoints that are not equal, without times and the path
 * of the run folder.
 *
 * @param {string} a
 * @param {string} b
 */
export function compareCheckpoints(a, b) {
  const [left, right] = [a, b].map(readCheckpoint)
  for (const { metadata } of [left, right]) {
    const { out: _, ...config } = JSON.parse(metadata['residual.config'])
    const { time, ...progress } = JSON.parse(metadata['residual.progress'])
    metadata['residual.config'] = JSON.stringify(config)
    metadata['residual.progress'] = JSON.stringify({ ...progress, images: time.images })
  }
  return findDifferences(left, right)
}

/** @param {string} run */
function listCheckpoints(run) {
  const folder = join(run, 'checkpoints')
  return existsSync(folder) ? readdirSync(folder).sort() : []
}

/**
 * @param {string} run
 * @param {string} name
 */
function readJson(run, name) {
  const file = join(run, name)
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : null
}

/** @param {string} run */
function readConfig(run) {
  const { out: _, ...config } = readJson(run, 'config.json')
  return config
}

/** @param {string} run */
function readEvaluation(run) {
  const { evaluation, ...rest } = readJson(run, 'evaluation.json') ?? {}
  const { imagesPerSecond: _, ...values } = evaluation ?? {}
  return { ...rest, ...values }
}

/** @param {string} run */
function readResult(run) {
  const { stopReason, epochs, steps, best, test } = readJson(run, 'result.json') ?? {}
  return { stopReason, epochs, steps, best: best && { ...best, checkpoint: null }, test }
}

/** @param {string} run */
function readEpochs(run) {
  return readEvents(run)
    .filter(({ type }) => type === 'epoch')
    .map(({ epoch, step, lr, train, val, best }) => ({ epoch, step, lr, train, val, best }))
}

/**
 * Returns the rows of metrics.csv without the columns of times.
 *
 * @param {string} run
 */
function readRows(run) {
  const [header, ...rows] = readFileSync(join(run, 'metrics.csv'), 'utf8').trimEnd().split('\n')
  const isTime = header.split(',').map((name) => ['images_per_second', 'seconds'].includes(name))
  return rows.map((row) => row.split(',').filter((_, column) => !isTime[column]))
}

/**
 * Returns the complete events of metrics.jsonl.
 *
 * @param {string} run
 * @returns {Record<string, any>[]}
 */
export function readEvents(run) {
  const file = join(run, 'metrics.jsonl')
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line))
}
