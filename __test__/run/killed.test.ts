import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { train } from 'residual'
import { residual } from '../child.js'
import { tinyConfig } from '../tiny.js'

/** Tensors of a checkpoint: everything after the header of a safetensors file. */
function tensors(run: string): Buffer {
  const bytes = readFileSync(join(run, 'checkpoints', 'last.safetensors'))
  return bytes.subarray(8 + Number(bytes.readBigUInt64LE(0)))
}

/** Kills a command of the run `out` after it has printed `text`. */
async function kill(args: readonly string[], text: string): Promise<NodeJS.Signals | null> {
  const { signal } = await residual(args, {
    during: async (child) => {
      await child.waitForOutput(text)
      child.kill('SIGKILL')
    },
  })
  return signal
}

test('a run that is killed twice ends with the tensors of an undisturbed run', async (t) => {
  // Long enough for a kill to arrive before the end.
  const config = tinyConfig(t, { epochs: 12, checkpoint: { everySteps: 2 } })
  const { dir } = await train(config)
  const out = `${dir}-killed`
  const options = ['--json', '--no-report', 'log.everySteps=1']
  const started = ['train', '--config', join(dir, 'config.json'), '--out', out, ...options]
  t.is(await kill(started, '"epoch":1,"step":5'), 'SIGKILL')
  t.true(existsSync(join(out, 'config.json')))
  const resumed = ['train', '--resume', out, ...options]
  t.is(await kill(resumed, '"type":"epoch","epoch":2'), 'SIGKILL')
  const { status, stderr } = await residual(resumed)
  t.is(status, 0, stderr)
  t.true(tensors(out).equals(tensors(dir)))
})
