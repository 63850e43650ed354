import type { Command } from 'commander'
import { type CheckStatus, doctor, exitStatus } from '../../index.js'
import { examples } from '../help.js'
import { paint } from '../output/colors.js'
import { print } from '../output/streams.js'
import { padEnd, widthOf } from '../output/terminal.js'

const { stdout } = process

/** A mark and its colour for each status. */
const MARKS = {
  pass: ['✓', 'green'],
  warn: ['!', 'yellow'],
  fail: ['✗', 'red'],
  off: ['–', 'dim'],
} as const satisfies { [status in CheckStatus]: readonly [string, string] }

/** `residual doctor` */
export function addDoctor(program: Command): void {
  const verb = program
    .command('doctor')
    .description('check this machine: libtorch, CUDA and why it is off, memory, disk, ...')
    .option('--json', 'print JSON')
    .action(async ({ json }: { json?: true }) => {
      const { ok, version, checks } = await doctor()
      if (!ok) process.exitCode = exitStatus.E_PLATFORM
      if (json) return await print(JSON.stringify({ ok, version, checks }))
      const width = Math.max(...checks.map(({ name }) => widthOf(name)))
      const lines = checks.flatMap(({ name, status, detail, hint }) => {
        const [mark, colour] = MARKS[status]
        const line = `${paint(stdout, colour, mark)} ${padEnd(name, width)}  ${detail}`
        return hint === undefined ? [line] : [line, `${' '.repeat(width + 4)}${hint}`]
      })
      const end = ok
        ? `residual ${version} can train on this machine`
        : `residual ${version} cannot train on this machine yet: see ${MARKS.fail[0]} above`
      await print([...lines, '', end].join('\n'))
    })
  examples(
    verb,
    ['doctor', 'each part, and the hint thing to do about it'],
    ['doctor --json', 'the same for a program; the exit status is 3 if anything fails'],
  )
}
