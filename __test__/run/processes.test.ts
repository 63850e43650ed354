/** Several processes that train together, started with the environment of `torchrun`. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { TrainConfig } from 'residual'
import { verify } from 'residual'
import { freePort } from '../../scripts/registry/free-port.mjs'
import { type ProcessResult, residual, script } from '../child.js'
import { tempFolder, tinyConfig } from '../tiny.js'

/** Returns the variables that `torchrun` sets for one of `size` processes on this machine. */
function environment(rank: number, size: number, port: number): NodeJS.ProcessEnv {
  return {
    RANK: `${rank}`,
    LOCAL_RANK: `${rank}`,
    WORLD_SIZE: `${size}`,
    LOCAL_WORLD_SIZE: `${size}`,
    MASTER_ADDR: '127.0.0.1',
    MASTER_PORT: `${port}`,
  }
}

/** Runs `residual train` in one process per configuration file, as `torchrun` does. */
async function trainTogether(files: readonly string[]): Promise<ProcessResult[]> {
  const port = await freePort()
  return Promise.all(
    files.map((file, rank) =>
      residual(['train', '--config', file, '--json'], {
        env: environment(rank, files.length, port),
      }),
    ),
  )
}

function configFile(folder: string, name: string, config: TrainConfig): string {
  const file = join(folder, `${name}.json`)
  writeFileSync(file, JSON.stringify(config))
  return file
}

/** Returns the float64 tensors of a checkpoint by name. */
function tensors(file: string): Map<string, Float64Array> {
  const bytes = readFileSync(file)
  const start = 8 + Number(bytes.readBigUInt64LE(0))
  const header: Record<string, { dtype: string; data_offsets: [number, number] }> = JSON.parse(
    bytes.toString('utf8', 8, start),
  )
  return new Map(
    Object.entries(header)
      .filter(([, { dtype }]) => dtype === 'F64')
      .map(
        ([
          name,
          {
            data_offsets: [from, to],
          },
        ]) => [
          name,
          new Float64Array(Uint8Array.from(bytes.subarray(start + from, start + to)).buffer),
        ],
      ),
  )
}

function largestDifference(a: Float64Array, b: Float64Array | undefined): number {
  return Math.max(...a.map((value, index) => Math.abs(value - (b?.[index] ?? Number.NaN))))
}

test('two processes learn the same weights as one that accumulates two batches', async (t) => {
  const folder = tempFolder(t)
  const config = { ...tinyConfig(t), precision: 'fp64' as const }
  const together = configFile(folder, 'two', { ...config, out: join(folder, 'two') })
  const [leader, follower] = await trainTogether([together, together])
  t.is(leader?.status, 0, leader?.stderr)
  t.is(follower?.status, 0, follower?.stderr)
  // The follower prints nothing, and only rank 0 writes.
  t.is(follower?.stdout, '')
  t.is(follower?.stderr, '')
  const last = JSON.parse(leader?.stdout.trim().split('\n').at(-1) ?? '')
  t.is(last.result.steps, 12)
  t.true((await verify(join(folder, 'two'))).ok)

  const alone = configFile(folder, 'one', {
    ...config,
    batchSize: 6,
    gradient: { accumulate: 2 },
    out: join(folder, 'one'),
  })
  const one = await residual(['train', '--config', alone, '--json'])
  t.is(one.status, 0, one.stderr)
  const [a, b] = ['one', 'two'].map((name) =>
    tensors(join(folder, name, 'checkpoints', 'last.safetensors')),
  )
  // The running statistics are those of rank 0, which has seen only its part of each batch.
  const names = [...(a?.keys() ?? [])].filter((name) => !name.includes('running_'))
  t.true(names.length > 40)
  for (const name of names) {
    const difference = largestDifference(a?.get(name) as Float64Array, b?.get(name))
    t.true(difference < 1e-12, `${name} differs by ${difference}`)
  }
})

test('a resumed training of two processes has the weights of an uninterrupted one', async (t) => {
  const folder = tempFolder(t)
  const config = tinyConfig(t)
  const out = join(folder, 'resumed')
  const runs: TrainConfig[] = [
    { ...config, schedule: 'constant', budget: { steps: 10 }, out: join(folder, 'whole') },
    { ...config, schedule: 'constant', budget: { steps: 8 }, out },
    { resume: out, budget: { steps: 10 } },
  ]
  for (const [index, run] of runs.entries()) {
    const file = configFile(folder, `${index}`, run)
    for (const { status, stderr } of await trainTogether([file, file])) t.is(status, 0, stderr)
  }
  const [whole, resumed] = ['whole', 'resumed'].map((name) =>
    readFileSync(join(folder, name, 'checkpoints', 'last.safetensors')),
  )
  const start = (bytes: Buffer) => 8 + Number(bytes.readBigUInt64LE(0))
  const data = (bytes: Buffer | undefined) => bytes?.subarray(start(bytes))
  t.true(data(whole)?.equals(data(resumed) as Buffer))
})

test('a process that does not resume as rank 0 does is an error', async (t) => {
  const folder = tempFolder(t)
  const out = join(folder, 'run')
  const { epochs: _, ...tiny } = tinyConfig(t)
  const config: TrainConfig = { ...tiny, schedule: 'constant', out }
  const first = configFile(folder, 'first', { ...config, budget: { steps: 8 } })
  t.is((await residual(['train', '--config', first, '--json'])).status, 0)
  const [leader, follower] = await trainTogether([
    configFile(folder, 'resumed', { resume: out, budget: { steps: 10 } }),
    configFile(folder, 'new', { ...config, budget: { steps: 10 } }),
  ])
  t.regex(follower?.stderr ?? '', /is 0 in rank 1, but 8 in rank 0 \(E_DISTRIBUTED\)/)
  t.is(leader?.status, 1)
})

test('three processes train on every image of uneven batches once', async (t) => {
  const folder = tempFolder(t)
  const config = { ...tinyConfig(t), batchSize: 16, epochs: 1, out: join(folder, 'run') }
  const file = configFile(folder, 'config', config)
  const results = await trainTogether([file, file, file])
  for (const { status, stderr } of results) t.is(status, 0, stderr)
  const events = (results[0]?.stdout ?? '')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  // 72 images: four batches of 16, and one of 8.
  t.is(events.filter(({ type }) => type === 'step').length, 5)
  t.is(events.find(({ type }) => type === 'epoch').train.count, 72)
})

test('different settings are an error of every process', async (t) => {
  const folder = tempFolder(t)
  const config = { ...tinyConfig(t), out: join(folder, 'run') }
  const [leader, follower] = await trainTogether([
    configFile(folder, 'a', config),
    configFile(folder, 'b', { ...config, optimizer: { type: 'sgd', lr: 0.1 } }),
  ])
  t.regex(
    follower?.stderr ?? '',
    /`optimizer.lr` is 0.1 in rank 1, but 0.05 in rank 0 \(E_DISTRIBUTED\)/,
  )
  t.regex(leader?.stderr ?? '', /rank 0 of 2 lost the connection .*\(E_DISTRIBUTED\)/)
  t.deepEqual([leader?.status, follower?.status], [1, 1])
})

test('a killed process ends the others with an error, and the last checkpoint is whole', async (t) => {
  const folder = tempFolder(t)
  const out = join(folder, 'run')
  const config = { ...tinyConfig(t), epochs: 100_000, out }
  const file = configFile(folder, 'config', config)
  const port = await freePort()
  type During = NonNullable<NonNullable<Parameters<typeof residual>[1]>['during']>
  const start = (rank: number, during: During) =>
    residual(['train', '--config', file, '--json'], {
      during,
      env: environment(rank, 2, port),
    })
  let markTrained = () => {}
  const hasTrained = new Promise<void>((resolve) => {
    markTrained = resolve
  })
  const leading = start(0, async (child) => {
    await child.waitForOutput('"type":"epoch"')
    markTrained()
  })
  const following = start(1, async (child) => {
    await hasTrained
    child.kill('SIGKILL')
  })
  t.is((await following).signal, 'SIGKILL')
  const leader = await leading
  t.is(leader.status, 1)
  t.regex(leader.stderr, /rank 0 of 2 lost the connection to another rank: .*\(E_DISTRIBUTED\)/)
  t.true((await verify(out)).ok)
})

test('a process that aborts ends the others with an error', async (t) => {
  const folder = tempFolder(t)
  const config = { ...tinyConfig(t), epochs: 100_000, out: join(folder, 'run') }
  const port = await freePort()
  const leading = residual(['train', '--config', configFile(folder, 'config', config)], {
    env: environment(0, 2, port),
  })
  const following = await script(
    `import { train } from 'residual'
    const signal = AbortSignal.timeout(3000)
    await train(${JSON.stringify(config)}, { signal }).catch(({ code }) => console.log(code))`,
    { env: environment(1, 2, port) },
  )
  t.is(following.stdout.trim(), 'E_ABORTED', following.stderr)
  const { status, stderr } = await leading
  t.is(status, 1)
  t.regex(stderr, /rank 0 of 2 lost the connection to another rank: .*\(E_DISTRIBUTED\)/)
})

test('invalid variables and a device without exchange are errors', async (t) => {
  const folder = tempFolder(t)
  const file = configFile(folder, 'config', { ...tinyConfig(t), out: join(folder, 'run') })
  const errorWith = async (env: NodeJS.ProcessEnv) =>
    (await residual(['train', '--config', file], { env })).stderr
  t.regex(await errorWith({ WORLD_SIZE: '0' }), /WORLD_SIZE is `0`, not an integer of at least 1/)
  t.regex(
    await errorWith({ WORLD_SIZE: '2', RANK: '2', MASTER_ADDR: '::1', MASTER_PORT: '1' }),
    /RANK is `2`, not an integer from 0 to 1/,
  )
  t.regex(await errorWith({ WORLD_SIZE: '2' }), /WORLD_SIZE is 2, but RANK is not set/)
})
