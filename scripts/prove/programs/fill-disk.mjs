// Writes to a small file system that is full at a chosen moment. The folder of the file system is the
// first argument, the folder of the data the second. A request is { "call": NAME, ... }.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { exportModel, findLr, report, train } from 'residual'
import { answerRequests, CLI } from '../child.mjs'
import { findCheckpointProblem, findResumeProblem } from '../run/check-run.mjs'
import { tinyConfig } from '../tiny-data.mjs'

const [, , disk, data] = process.argv
const BALLAST = join(disk, 'ballast')
const RUN = join(disk, 'run')
const FINISHED = join(disk, 'finished')
const EPOCHS = 3

/**
 * Fills the file system up to `spare` bytes.
 *
 * @param {number} spare
 */
function fill(spare) {
  const { bfree, bsize } = statfsSync(disk)
  const size = Math.max(0, bfree * bsize - spare)
  const file = openSync(BALLAST, 'w')
  const block = Buffer.alloc(1 << 16)
  try {
    for (let written = 0; written < size; written += block.length) {
      writeSync(file, block, 0, Math.min(block.length, size - written))
    }
  } catch {
    // The run writes at the same time: the disk is full.
  } finally {
    closeSync(file)
  }
}

/**
 * Creates empty files until only `spare` files can be created.
 *
 * @param {number} spare
 */
function fillInodes(spare) {
  mkdirSync(BALLAST)
  const count = statfsSync(disk).ffree - spare
  for (let index = 0; index < count; index++) writeFileSync(join(BALLAST, `${index}`), '')
}

const free = () => rmSync(BALLAST, { recursive: true, force: true })

/** @param {unknown} error */
function describe(error) {
  const { code, message, at } = /** @type {import('residual').ResidualError} */ (error)
  return { code, message, file: at?.file }
}

const config = () => tinyConfig(data, RUN, { epochs: EPOCHS, checkpoint: { everySteps: 4 } })

/** @param {readonly string[]} checkpoints */
async function findRunProblem(checkpoints) {
  return (
    (await findCheckpointProblem(RUN, checkpoints)) ??
    (await findResumeProblem(RUN, FINISHED, config()))
  )
}

/**
 * Trains a run during which the disk becomes full, frees the space and resumes the run.
 *
 * @param {{ epoch: number, spare: number, unit: 'bytes' | 'files' }} request
 */
async function attackRun({ epoch, spare, unit }) {
  rmSync(RUN, { recursive: true, force: true })
  const [fillDisk, checkpoints] = [unit === 'bytes' ? fill : fillInodes, new Set()]
  /** @type {ReturnType<typeof describe> | undefined} */
  let error
  /** @type {string[]} */
  const warnings = []
  try {
    if (epoch === 0) fillDisk(spare)
    await train(config(), {
      onEpoch: (event) => void (event.epoch === epoch && fillDisk(spare)),
      onCheckpoint: ({ path }) => void checkpoints.add(path),
      onWarning: ({ message }) => void warnings.push(message),
    })
  } catch (cause) {
    error = describe(cause)
  } finally {
    free()
  }
  return { error, warnings, problem: await findRunProblem([...checkpoints]) }
}

const WRITERS = {
  report: () => report(FINISHED, { evaluate: false }),
  safetensors: () => exportModel(FINISHED, join(disk, 'weights.safetensors')),
  onnx: () => exportModel(FINISHED, join(disk, 'network.onnx')),
  findLr: () => findLr(config(), { steps: 10, out: join(disk, 'plots') }),
}

/**
 * Writes other files to a full disk, then again with free space.
 *
 * @param {{ writer: keyof typeof WRITERS, spare: number }} request
 */
async function attackWriter({ writer, spare }) {
  const before = hashFiles()
  fill(spare)
  /** @type {ReturnType<typeof describe> | undefined} */
  let error
  try {
    await WRITERS[writer]()
  } catch (cause) {
    error = describe(cause)
  } finally {
    free()
  }
  const after = hashFiles()
  const changed = [...before].filter(([name, hash]) => after.get(name) !== hash)
  const added = [...after.keys()].filter((name) => !before.has(name))
  for (const name of added) rmSync(join(disk, name), { recursive: true })
  if (changed.length > 0) return { error, problem: `changed ${changed.map(([name]) => name)}` }
  const partial = added.filter((name) => name.endsWith('.tmp'))
  if (error !== undefined && partial.length > 0) return { error, problem: `left ${partial}` }
  return { error }
}

/** Returns the hash of every file of the disk. */
function hashFiles() {
  const names = readdirSync(disk, { recursive: true }).map(String)
  const files = names.filter((name) => statSync(join(disk, name)).isFile()).sort()
  const hash = (/** @type {Buffer} */ bytes) => createHash('sha256').update(bytes).digest('hex')
  return new Map(files.map((name) => [name, hash(readFileSync(join(disk, name)))]))
}

/**
 * Runs a command whose stdout is a file on the full disk.
 *
 * @param {{ args: string[] }} request
 */
function attackStdout({ args }) {
  const stdout = join(disk, 'stdout')
  const output = openSync(stdout, 'w')
  fill(0)
  try {
    const replaced = args.map((arg) => (arg === 'RUN' ? FINISHED : arg))
    const { status, signal, stderr } = spawnSync(process.execPath, [CLI, ...replaced], {
      stdio: ['ignore', output, 'pipe'],
      encoding: 'utf8',
      timeout: 60_000,
    })
    return { status, signal, stderr }
  } finally {
    closeSync(output)
    rmSync(stdout)
    free()
  }
}

/**
 * Applies the checks to a run with a deliberate fault.
 *
 * @param {{ fault: 'truncated' | 'removed' | 'other' }} request
 */
async function attackUnsafe({ fault }) {
  rmSync(RUN, { recursive: true, force: true })
  const seed = fault === 'other' ? 2 : 1
  const { last } = await train({ ...config(), seed })
  if (fault === 'truncated') truncateSync(last, 100_000)
  if (fault === 'removed') rmSync(last)
  return { problem: await findRunProblem([last]) }
}

/** Trains the run with which others are compared. */
async function prepare() {
  const { dir } = await train({ ...config(), out: FINISHED })
  return { dir, files: readdirSync(join(dir, 'checkpoints')) }
}

await answerRequests((request) => {
  if (request.call === 'prepare') return prepare()
  if (request.call === 'run') return attackRun(request)
  if (request.call === 'writer') return attackWriter(request)
  if (request.call === 'unsafe') return attackUnsafe(request)
  return attackStdout(request)
})
