import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { train } from 'residual'
import { residual } from '../child.js'
import { tinyConfig } from '../tiny.js'

/** Returns the tensors of the last checkpoint: the bytes after the header of the safetensors file. */
function readTensors(run: string): Buffer {
  const bytes = readFileSync(join(run, 'checkpoints', 'last.safetensors'))
  return bytes.subarray(8 + Number(bytes.readBigUInt64LE(0)))
}

/** Runs a command, and kills it after it has printed `text`. Returns the signal that ended it. */
async function runAndKill(args: readonly string[], text: string): Promise<NodeJS.Signals | null> {
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
  t.is(await runAndKill(started, '"epoch":1,"step":5'), 'SIGKILL')
  t.true(existsSync(join(out, 'config.json')))
  const resumed = ['train', '--resume', out, ...options]
  t.is(await runAndKill(resumed, '"type":"epoch","epoch":2'), 'SIGKILL')
  const { status, stderr } = await residual(resumed)
  t.is(status, 0, stderr)
  t.true(readTensors(out).equals(readTensors(dir)))
})
