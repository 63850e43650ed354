/**
 * Builds, packs and installs the packages of linux-arm64 on an x64 machine, and trains with them
 * under emulation.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import {
  computeEmulated,
  computeHere,
  differences,
  installArm64,
  LOSS_TOLERANCE,
  PROBABILITY_TOLERANCE,
  packArm64,
} from '../../scripts/prove/platforms/arm64.mjs'
import { fetchNode } from '../../scripts/prove/platforms/emulator.mjs'
import { ROOT } from '../../scripts/setup.mjs'
import { missingArm64Tool } from '../../scripts/test/arm64.mjs'

const MINUTES = 60_000
const STEPS = 3

const missing = await missingArm64Tool()
const title = 'the packages of linux-arm64 install and train under emulation'
if (missing !== undefined) {
  test.skip(`${title}: ${missing}`, () => {})
} else {
  test(title, async (t) => {
    t.timeout(40 * MINUTES, 'the first build compiles everything')
    const folder = mkdtempSync(join(tmpdir(), 'residual-arm64-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    await packArm64()
    const project = await installArm64(folder)
    const emulated = await computeEmulated(await fetchNode('22'), project, STEPS)
    t.is(emulated.arch, 'arm64')
    t.is(emulated.parameters, 25_557_032)
    t.is(emulated.losses.length, STEPS)

    const here = join(folder, 'here')
    mkdirSync(join(here, 'node_modules'), { recursive: true })
    symlinkSync(ROOT, join(here, 'node_modules', 'residual'))
    writeFileSync(join(here, 'package.json'), '{ "type": "module" }')
    const { loss, probability } = differences(emulated, await computeHere(here, STEPS))
    t.true(loss < LOSS_TOLERANCE, `losses differ by ${loss}`)
    t.true(probability < PROBABILITY_TOLERANCE, `probabilities differ by ${probability}`)
  })
}
