// Runs of the `residual` command under limits of the operating system.

import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Child, CLI, residual } from '../child.mjs'
import { findCommandProblem, findExitProblem } from '../outcomes.mjs'
import { tinyConfig, writeIdxData } from '../tiny-data.mjs'
import { findLastCheckpointProblem } from './check-run.mjs'

/** @typedef {import('../child.mjs').Ended} Ended */
/** @typedef {import('../child.mjs').Options} Options */

/** Trains the same run in many folders, and compares each with an undisturbed one. */
export class RunCommand {
  #folder
  #config
  #count = 0

  /**
   * @param {string} folder
   * @param {import('residual').TrainConfig} [config]
   */
  constructor(folder, config = {}) {
    this.#folder = folder
    this.data = writeIdxData(join(folder, 'data'))
    this.#config = join(folder, 'config.json')
    const { out: _, ...rest } = tinyConfig(this.data, '', { checkpoint: { everySteps: 4 } })
    writeFileSync(this.#config, JSON.stringify({ ...rest, ...config }))
    this.undisturbed = join(folder, 'undisturbed')
  }

  /** Trains the undisturbed run. */
  async prepare() {
    const problem = findExitProblem(await residual(this.args(this.undisturbed)))
    if (problem !== undefined) throw new Error(problem)
  }

  /** Returns a new run folder. */
  newFolder() {
    return join(this.#folder, `run-${++this.#count}`)
  }

  /**
   * Returns the arguments of the `residual` command that trains a run.
   *
   * @param {string} out
   */
  args(out) {
    return ['train', '--config', this.#config, '--out', out, '--no-report']
  }

  /**
   * Returns the command line of Node that trains a run.
   *
   * @param {string} out
   */
  command(out) {
    return [process.execPath, CLI, ...this.args(out)]
  }

  /**
   * Trains a run with a program in front of the command, such as `prlimit --nofile=32`.
   *
   * @param {readonly string[]} prefix
   * @param {string} out
   * @param {Options} [options]
   */
  train(prefix, out, options) {
    const [program, ...args] = [...prefix, ...this.command(out)]
    return new Child(program, args, options)
  }

  /**
   * Starts a run. Returns the process at the end of the first epoch.
   *
   * @param {string} out
   */
  async trainEpoch(out) {
    const child = Child.node([CLI, ...this.args(out), '--json'])
    for (let line = await child.readLine(); line !== undefined; line = await child.readLine()) {
      if (JSON.parse(line).type === 'epoch') return child
    }
    throw new Error(findExitProblem(await child.ended) ?? 'the run ended without an epoch')
  }

  /**
   * Returns why an ended run is not as promised: it must be equal to the undisturbed run, at once if
   * it succeeded, after it is resumed if it failed with one of `codes`.
   *
   * @param {string} out
   * @param {Ended} ended
   * @param {readonly string[]} codes expected error codes
   */
  async findProblem(out, ended, codes) {
    const problem = findCommandProblem(ended, codes)
    if (problem !== undefined) return problem
    return ended.status === 0
      ? findLastCheckpointProblem(out, this.undisturbed)
      : this.findResumeProblem(out)
  }

  /**
   * Resumes a run, and compares it with the undisturbed run.
   *
   * @param {string} out
   * @param {Options} [options]
   */
  async findResumeProblem(out, options) {
    const isRun = existsSync(join(out, 'config.json'))
    const ended = await residual(isRun ? ['train', '--resume', out] : this.args(out), options)
    return findExitProblem(ended) ?? findLastCheckpointProblem(out, this.undisturbed)
  }
}
