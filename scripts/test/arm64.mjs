import { run } from '../setup/command.mjs'
import { provide } from './system-packages.mjs'

/** Programs of the packages below. */
const PROGRAMS = ['qemu-aarch64-static', 'aarch64-linux-gnu-g++']

/**
 * Installs the cross compiler and the emulator for the test of linux-arm64, which is skipped
 * without them.
 */
export async function provideArm64Tools() {
  await provide({
    packages: ['qemu-user-static', 'g++-aarch64-linux-gnu'],
    tests: 'tests of linux-arm64',
    find: async () => ((await missingProgram()) === undefined ? true : undefined),
  })
}

/** Returns the name of the first missing program. */
async function missingProgram() {
  for (const program of PROGRAMS) {
    if ((await run(program, ['--version'])).status !== 0) return program
  }
  return undefined
}

/** Returns what is missing for compiling and running linux-arm64; undefined if nothing is. */
export async function missingArm64Tool() {
  const program = await missingProgram()
  if (program !== undefined) return `${program} is not installed`
  const { status, stderr } = await run('rustup', ['target', 'add', 'aarch64-unknown-linux-gnu'])
  return status === 0 ? undefined : `rustup target add failed: ${stderr.trim()}`
}
