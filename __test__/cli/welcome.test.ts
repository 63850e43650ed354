import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { formatWelcome } from '#dist/cli/welcome.js'
import { residual } from '../child.js'
import { imageFolder, tempFolder } from '../tiny.js'

const COMMANDS = ['train', 'report', 'eval', 'predict', 'doctor']

/** Returns the commands suggested for a folder. */
function suggestions(path: string): string[] {
  return Array.from(
    formatWelcome(COMMANDS, path).matchAll(/^ {2}(?:npx )?(residual .*?)(?: {2}|$)/gm),
    (match) => match[1] ?? '',
  )
}

test('residual without arguments suggests commands and exits with 0', async (t) => {
  const { status, stdout, stderr } = await residual([], { cwd: tempFolder(t) })
  t.is(status, 0, stderr)
  t.regex(stdout, /^ {2}(?:npx )?residual train .*/m)
  t.regex(stdout, /residual --help/)
})

test('suggests the included data set in an empty folder', (t) => {
  const commands = suggestions(tempFolder(t))
  t.true(commands.includes('residual train fashion-mnist-mini'))
  t.true(commands.includes('residual doctor'))
})

test('suggests commands for the images and runs of a folder', (t) => {
  const parent = tempFolder(t)
  const photos = imageFolder(parent, ['cat', 'dog'])
  t.true(suggestions(parent).includes(`residual train ${photos}`))
  const run = join(parent, 'runs', 'photos-resnet20')
  mkdirSync(join(run, 'checkpoints'), { recursive: true })
  writeFileSync(join(run, 'config.json'), '{}')
  writeFileSync(join(run, 'checkpoints', 'last.safetensors'), '')
  t.is(suggestions(parent)[0], `residual train --resume ${run}`)
  writeFileSync(join(run, 'result.json'), '{"stopReason":"completed"}')
  symlinkSync('photos-resnet20', join(parent, 'runs', 'latest'))
  t.is(suggestions(parent)[0], `residual report ${join(parent, 'runs', 'latest')}`)
  writeFileSync(join(run, 'result.json'), '{"stopReason":"stopped"}')
  t.is(suggestions(parent)[0], `residual train --resume ${join(parent, 'runs', 'latest')}`)
})

test('quotes paths for a shell', (t) => {
  const parent = join(tempFolder(t), "it's here")
  mkdirSync(parent)
  imageFolder(parent, ['cat', 'dog'])
  t.true(suggestions(parent).some((command) => command.endsWith("it'\\''s here/photos'")))
})
