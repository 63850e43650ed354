import type { Command } from 'commander'
import { type CheckStatus, doctor, exitStatus } from '../../index.js'
import { addExamples } from '../help.js'
import { styled } from '../output/colors.js'
import { print } from '../output/streams.js'
import { displayWidth, padEnd } from '../output/terminal.js'

const { stdout } = process

/** A mark and its color for each status. */
const MARKS = {
  pass: ['✓', 'green'],
  warn: ['!', 'yellow'],
  fail: ['✗', 'red'],
  off: ['–', 'dim'],
} as const satisfies { [status in CheckStatus]: readonly [string, string] }

/** Adds `residual doctor`. */
export function addDoctor(program: Command): void {
  const command = program
    .command('doctor')
    .description('check the installation: libtorch, CUDA, CPU, memory, disk')
    .option('--json', 'print JSON')
    .action(async ({ json }: { json?: true }) => {
      const { ok, version, checks } = await doctor()
      if (!ok) process.exitCode = exitStatus.E_PLATFORM
      if (json) return await print(JSON.stringify({ ok, version, checks }))
      const width = Math.max(...checks.map(({ name }) => displayWidth(name)))
      const lines = checks.flatMap(({ name, status, detail, hint }) => {
        const [mark, color] = MARKS[status]
        const line = `${styled(stdout, color, mark)} ${padEnd(name, width)}  ${detail}`
        return hint === undefined ? [line] : [line, `${' '.repeat(width + 4)}${hint}`]
      })
      const verdict = ok
        ? `residual ${version} can train on this machine`
        : `residual ${version} cannot train on this machine: fix the checks marked ${MARKS.fail[0]}`
      await print([...lines, '', verdict].join('\n'))
    })
  addExamples(
    command,
    ['doctor', 'show every check, with a hint for each failure'],
    ['doctor --json', 'print JSON; the exit status is 3 if a check fails'],
  )
}
