// Images a second of whole training steps, ours beside PyTorch's.
//
//   npm run bench -- [--rounds 5] [--net resnet20,resnet18]
//
// Machines drift: their clocks, their neighbours, their heat. So all contenders take turns in one
// run, a few steps each, in an order that turns round with every round, and what is compared is
// the ratio within a round. Each side is a process that stays alive and speaks JSON lines, as
// pytorch_step.py describes; ours is crates/train/examples/bench_step.rs.
//
// Prints a table and writes every round to runs/bench/train-step.json.

import { spawn } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { TARGET } from '../build.mjs'
import { venvPython } from '../oracle/venv.mjs'
import { run } from '../setup/command.mjs'
import { BuildError } from '../setup/error.mjs'
import { ROOT, runScript, setup } from '../setup.mjs'

/**
 * What one request measured.
 * @typedef {{ net: string, mode: string, steps: number, seconds: number, imagesPerSecond: number, loss: number }} Timing
 */
/** @typedef {{ name: string, peer: Peer, mode: string }} Contender */

// Some two seconds a turn: long against a scheduler's slice, short against a machine's drift.
/** @type {Record<string, number>} */
const STEPS = { resnet20: 8, resnet18: 2 }
const WARM_UP_STEPS = 3

/** A process that times training steps when it is asked to. */
class Peer {
  /**
   * @param {string} command
   * @param {readonly string[]} args
   * @param {NodeJS.ProcessEnv} [env]
   */
  constructor(command, args, env) {
    this.child = spawn(command, args, { env, cwd: ROOT, stdio: ['pipe', 'pipe', 'inherit'] })
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]()
    this.failed = new Promise((_, reject) => {
      this.child.on('error', reject)
      this.child.on('exit', (code) => reject(new Error(`${command} ended (exit status ${code})`)))
    })
    // Heard by whoever waits for an answer; nobody does once the last one is in.
    this.failed.catch(() => {})
  }

  /** The next line it says. */
  async read() {
    const line = await Promise.race([this.lines.next(), this.failed])
    if (line.done) return await this.failed
    return JSON.parse(line.value)
  }

  /**
   * @param {{ net: string, mode: string, steps: number }} request
   * @returns {Promise<Timing>}
   */
  async time(request) {
    this.child.stdin.write(`${JSON.stringify(request)}\n`)
    return this.read()
  }

  close() {
    this.child.stdin.end()
  }
}

/** Builds our side and starts it. */
async function startOurs() {
  const { cargoEnv } = await setup()
  const cargo = ['build', '--release', '--target', TARGET, '--package', 'residual-train']
  const { status } = await run('cargo', [...cargo, '--example', 'bench_step'], {
    cwd: ROOT,
    env: cargoEnv,
    output: 'show',
  })
  if (status !== 0) throw new BuildError(`cargo build failed (exit status ${status})`)
  const program = join(ROOT, 'target', TARGET, 'release', 'examples', 'bench_step')
  return new Peer(program, [], cargoEnv)
}

/** @param {readonly number[]} values */
function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/**
 * @param {readonly Contender[]} contenders
 * @param {string} net
 * @param {number} rounds
 * @returns {Promise<Record<string, Timing[]>>} each contender's timings, by round
 */
async function takeTurns(contenders, net, rounds) {
  const timings = Object.fromEntries(
    contenders.map(({ name }) => [name, /** @type {Timing[]} */ ([])]),
  )
  for (const { peer, mode } of contenders) await peer.time({ net, mode, steps: WARM_UP_STEPS })
  for (let round = 0; round < rounds; round++) {
    const order = contenders.map((_, turn) => contenders[(turn + round) % contenders.length])
    for (const { name, peer, mode } of order) {
      timings[name].push(await peer.time({ net, mode, steps: STEPS[net] }))
    }
    process.stderr.write(`bench: ${net}, round ${round + 1} of ${rounds}\n`)
  }
  return timings
}

/**
 * One row for each contender, and how many times as fast ours was.
 *
 * @param {string} net
 * @param {Record<string, Timing[]>} timings
 */
function rows(net, timings) {
  return Object.entries(timings).map(([name, theirs]) => {
    const rates = theirs.map((timing) => timing.imagesPerSecond)
    const row = { net, name, best: Math.max(...rates), median: median(rates) }
    if (name === 'ours') return row
    const ours = timings.ours.map((timing) => timing.imagesPerSecond)
    const ratios = rates.map((rate, round) => ours[round] / rate)
    const ratio = {
      median: median(ratios),
      worst: Math.min(...ratios),
      bestToBest: Math.max(...ours) / row.best,
    }
    return { ...row, ratio }
  })
}

/** @param {ReturnType<typeof rows>} table */
function print(table) {
  const cell = (/** @type {number} */ value, /** @type {number} */ digits) => value.toFixed(digits)
  const lines = [
    '| Network, batch 128 | Step | images/s, best | median | ours: median ratio | worst | best to best |',
    '| --- | --- | ---: | ---: | ---: | ---: | ---: |',
    ...table.map((row) => {
      const ratios =
        'ratio' in row
          ? [row.ratio.median, row.ratio.worst, row.ratio.bestToBest].map((value) => cell(value, 2))
          : ['', '', '']
      return `| ${[row.net, row.name, cell(row.best, 0), cell(row.median, 0), ...ratios].join(' | ')} |`
    }),
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

await runScript(import.meta.url, async () => {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '5' },
      net: { type: 'string', default: Object.keys(STEPS).join() },
    },
  })
  const rounds = Number(values.rounds)
  const nets = values.net.split(',')
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds: a whole number above 0')
  for (const net of nets) {
    if (!(net in STEPS)) throw new Error(`--net: ${net} is none of ${Object.keys(STEPS).join()}`)
  }

  const script = fileURLToPath(new URL('pytorch_step.py', import.meta.url))
  const python = new Peer(await venvPython(), [script])
  const ours = await startOurs()
  const peers = [python, ours]
  const contenders = [
    { name: 'PyTorch, fp32 NCHW', peer: python, mode: 'notebook' },
    { name: 'PyTorch, tuned', peer: python, mode: 'tuned' },
    { name: 'ours', peer: ours, mode: 'auto' },
  ]
  try {
    const sides = await Promise.all(peers.map((peer) => peer.read()))
    const table = []
    /** @type {Record<string, Record<string, Timing[]>>} */
    const timings = {}
    for (const net of nets) {
      timings[net] = await takeTurns(contenders, net, rounds)
      table.push(...rows(net, timings[net]))
    }
    print(table)
    const folder = join(ROOT, 'runs', 'bench')
    await mkdir(folder, { recursive: true })
    const machine = { cpu: cpus()[0]?.model, cores: cpus().length, date: new Date().toISOString() }
    const file = join(folder, 'train-step.json')
    await writeFile(file, `${JSON.stringify({ machine, sides, table, timings }, null, 1)}\n`)
    process.stdout.write(`every round: ${file}\n`)
  } finally {
    for (const peer of peers) peer.close()
  }
})
